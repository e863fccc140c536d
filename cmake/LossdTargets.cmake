# How a target is declared here. Flags are scoped to our targets; consumers inherit none of them.
#
#   lossd_library(name SOURCES a.cc b.cc DEPS target...)   static library lossd_<name>, alias lossd::<name>
#   lossd_binary(name SOURCES main.cc DEPS target...)      executable <name> in <build>/bin
#   lossd_test(name DEPS target... [SOURCES ...] [LABELS ...] [TIMEOUT s])
#                                                          <name>.cc with GoogleTest, run by ctest as <name>

set(CMAKE_RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/bin")

# -ffp-contract=off: the compiler must not fuse a*b+c where the source does not say so; with it the same source gives the
# same bits on every instruction set that has FMA.
#
# LOSSD_INSTRUCTION_SETS: Highway takes the compiler's baseline, which -march=native raises to this machine's; off x86 the
# baseline (NEON) is the best that core/simd/targets.h names. Every target gets it: whoever walks the instruction sets (the
# tests) must see the same list as the kernels.
if(NOT LOSSD_INSTRUCTION_SETS MATCHES "^(all|native)$")
  message(FATAL_ERROR "LOSSD_INSTRUCTION_SETS = ${LOSSD_INSTRUCTION_SETS}; expected all or native")
endif()

function(lossd_target_defaults target)
  target_compile_features(${target} PUBLIC cxx_std_20)
  set_target_properties(${target} PROPERTIES CXX_EXTENSIONS OFF POSITION_INDEPENDENT_CODE ON)
  target_compile_options(${target} PRIVATE -ffp-contract=off)
  if(LOSSD_INSTRUCTION_SETS STREQUAL "native")
    target_compile_definitions(${target} PRIVATE HWY_COMPILE_ONLY_STATIC)
    if(CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|AMD64)$")
      target_compile_options(${target} PRIVATE -march=native)
    endif()
  endif()
  target_include_directories(${target} PUBLIC "$<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}>")
  if(LOSSD_SANITIZE)
    target_compile_options(${target} PUBLIC -fsanitize=${LOSSD_SANITIZE} -fno-omit-frame-pointer)
    target_link_options(${target} PUBLIC -fsanitize=${LOSSD_SANITIZE})
    if(LOSSD_SANITIZE MATCHES "undefined")  # by itself it prints what it finds, and the test passes
      target_compile_options(${target} PUBLIC -fno-sanitize-recover=undefined)
    endif()
  endif()
  if(LOSSD_BUILD_FUZZERS)  # the coverage that guides a fuzzer's search
    target_compile_options(${target} PRIVATE -fsanitize=fuzzer-no-link)
  endif()
endfunction()

function(lossd_library name)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPS;PRIVATE_DEPS" ${ARGN})
  add_library(lossd_${name} STATIC ${ARG_SOURCES})
  add_library(lossd::${name} ALIAS lossd_${name})
  lossd_target_defaults(lossd_${name})
  set_target_properties(lossd_${name} PROPERTIES EXPORT_NAME ${name})
  target_link_libraries(lossd_${name} PUBLIC ${ARG_DEPS} PRIVATE ${ARG_PRIVATE_DEPS})
endfunction()

function(lossd_binary name)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPS" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  lossd_target_defaults(${name})
  target_link_libraries(${name} PRIVATE ${ARG_DEPS})
endfunction()

function(lossd_test name)
  cmake_parse_arguments(ARG "" "TIMEOUT" "SOURCES;DEPS;LABELS;ENVIRONMENT" ${ARGN})
  add_executable(${name} ${name}.cc ${ARG_SOURCES})
  lossd_target_defaults(${name})
  target_link_libraries(${name} PRIVATE ${ARG_DEPS} GTest::gmock GTest::gtest_main)
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/tests")
  add_test(NAME ${name} COMMAND ${name} --gtest_brief=1)
  if(NOT ARG_TIMEOUT)
    set(ARG_TIMEOUT 300)
  endif()
  set_tests_properties(${name} PROPERTIES TIMEOUT ${ARG_TIMEOUT} LABELS "${ARG_LABELS}" ENVIRONMENT "${ARG_ENVIRONMENT}")
endfunction()
