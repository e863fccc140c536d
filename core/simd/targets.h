// The instruction sets that lossd is compiled for. Include before any Highway header.
//
// Disabled, with the reason:
//   SSSE3     nothing here gains from it over the 128-bit fallback, and each target costs seconds of compile time
//   AVX3_DL   the same vectors as AVX3; its extra instructions (VNNI, GFNI, ...) are not used
//   SVE, RVV  vectors without a compile-time size cannot be kept in the arrays of LaneSum; NEON serves those machines
// The promise of equal bits holds among the targets with FMA: AVX2, AVX3, NEON. SSE4 and EMU128 exist so that old
// machines are served at all.
#pragma once

#ifdef HWY_HIGHWAY_INCLUDED
#error "core/simd/targets.h must come before Highway"
#endif
#ifndef HWY_DISABLED_TARGETS
#define HWY_DISABLED_TARGETS (HWY_SSSE3 | HWY_AVX3_DL | HWY_SVE | HWY_SVE2 | HWY_SVE_256 | HWY_SVE2_128 | HWY_RVV)
#endif
