// Negative log-likelihoods of a distribution whose parameters are predicted. Add a loss: include it, name it in
// Members.
#include "core/simd/targets.h"
// Above Highway.
#include "core/losses/topics.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "core/losses/likelihood/likelihood.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
// After foreach_target.h, once per target:
#include "core/losses/likelihood/crps_normal-inl.h"
#include "core/losses/likelihood/gamma_deviance-inl.h"
#include "core/losses/likelihood/gaussian_nll-inl.h"
#include "core/losses/likelihood/laplace_nll-inl.h"
#include "core/losses/likelihood/negative_binomial_nll-inl.h"
#include "core/losses/likelihood/poisson-inl.h"
#include "core/losses/likelihood/poisson_nll-inl.h"
#include "core/losses/likelihood/student_t_nll-inl.h"
#include "core/losses/likelihood/tweedie-inl.h"
#include "core/simd/table-inl.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace lossd {
namespace HWY_NAMESPACE {

using LikelihoodMembers = Losses<CrpsNormal, GammaDeviance, GaussianNll, LaplaceNll, NegativeBinomialNll, Poisson,
                                 PoissonNll, StudentTNll, Tweedie>;

std::span<const Loss> LikelihoodTable() { return TableOf(LikelihoodMembers()); }

}  // namespace HWY_NAMESPACE
}  // namespace lossd
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace lossd {

HWY_EXPORT(LikelihoodTable);
std::span<const Loss> LikelihoodLosses() { return HWY_DYNAMIC_DISPATCH(LikelihoodTable)(); }

}  // namespace lossd
#endif  // HWY_ONCE
