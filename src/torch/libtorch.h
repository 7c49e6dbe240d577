// Every libtorch header this folder uses, in one file that is precompiled and included first
// (cmake/GalagoLayers.cmake). libtorch's logging defines a CHECK of its own; ours replaces it.
#pragma once

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <torch/csrc/autograd/custom_function.h>

#undef CHECK
#include "base/error.h"
