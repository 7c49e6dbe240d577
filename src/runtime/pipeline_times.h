// How long a pipeline takes and how long a person waits: the arithmetic behind `galago bench vit-pipeline` and `ttft`,
// after BlueLM-V-3B (arXiv 2411.10640), sections on pipelined image encoding and on decoupling it from the instruction.
#pragma once

#include <span>

namespace galago {

// Batch k goes through stage A (prepare[k]) and then through stage B (encode[k]); each stage takes one batch at a time.
double serial_time(std::span<const double> prepare, std::span<const double> encode);
// Stage A runs ahead, at most `queue_depth` prepared batches wait; 0: any number.
double pipelined_time(std::span<const double> prepare, std::span<const double> encode, int queue_depth = 0);

// Time from the end of typing to the first token. All in the same unit.
struct AnswerTimes {
  double vision = 0;         // encoding the picture
  double prefill_image = 0;  // running what comes before the instruction, picture included
  double prefill_text = 0;   // running the instruction
};
double coupled_ttft(const AnswerTimes& t);                   // everything begins when the instruction is there
double decoupled_ttft(const AnswerTimes& t, double typing);  // the picture is encoded while the user types
double eager_ttft(const AnswerTimes& t, double typing);      // ... and run through the language model

}  // namespace galago
