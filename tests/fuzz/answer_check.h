// What an answer owes to its request, told from the bytes of both alone.
#pragma once

#include <string>

namespace lossd::fuzz {

// Empty where the answer to an Evaluate or (`gradient`) a Gradient is sound, else what is wrong with it: a reduced
// value or values per item, never both; gradients of the inputs that were asked for and of no others, each in the shape
// and dtype of its input; bytes as many as shape and dtype ask for.
std::string WrongWith(const std::string& request, bool gradient, const std::string& answer);

// The answer with its maps in order: the same bytes for equal answers. REQUIRES: it parses.
std::string InOrder(const std::string& answer);

}  // namespace lossd::fuzz
