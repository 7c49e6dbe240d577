// The shortest true description: what is there, how many and in which colour, from left to right, then the ground. The
// first stage of training reads these: every word is a fact of the picture.
#pragma once

#include <string>

#include "data/scene.h"

namespace galago {

std::string list_caption(const Scene& scene);  // "two red apples, a dog, on grass."

}  // namespace galago
