// An executor whose programs take turns: one run at a time, in the order in which they asked. A pool of threads serves
// one caller at a time, so this is how a thread that encodes a picture and a thread that runs a prompt share one: they
// change places after every group of tiles and every piece of prompt.
#pragma once

#include <memory>

#include "graph/executor.h"

namespace galago {

// The given executor is no longer to be used directly. One that takes turns already is given back as it is.
std::shared_ptr<Executor> take_turns(std::shared_ptr<Executor> executor);

}  // namespace galago
