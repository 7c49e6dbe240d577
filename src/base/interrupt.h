// Ctrl-C: long work asks between steps whether to stop, saves, and ends with a sentence instead of dying.
#pragma once

namespace galago {

void catch_interrupts();  // SIGINT and SIGTERM set the flag; a second one ends the program at once
bool interrupted();

}  // namespace galago
