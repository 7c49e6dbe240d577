// Settings that OpenBLAS and libgomp read once, when the dynamic linker loads them, so before main() can set them.
#pragma once

namespace galago::torch_backend {

// First statement of main() in a program that trains: sets what the user left unset and, if that was anything, starts
// the program again in its place (same process id, same arguments). Returns when the environment is ready, also when
// the restart fails. Linux only; elsewhere it does nothing.
//   OPENBLAS_CORETYPE=SkylakeX  on processors with AVX-512: Debian's OpenBLAS takes newer AMD ones for AVX2 only
//                               (f32 training of a 5 M decoder: 1.3 times the tokens per second)
//   OMP_WAIT_POLICY=PASSIVE     libtorch's idle OpenMP threads would spin on the processors that OpenBLAS's own
//                               threads need, and on those of any other program (1.6 to 3 times)
void prepare_blas_environment(char** argv);

}  // namespace galago::torch_backend
