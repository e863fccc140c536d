# Installs the client to an empty place, builds a project outside of this tree against it, and runs it.
#   cmake -DGENERATOR=... -DBUILD=<build tree> -DPROJECT=<tests/install/project> -DWORK=<scratch> -DCOMPILER=... -DBUILD_TYPE=... -P run.cmake
function(run)
  execute_process(COMMAND ${ARGN} RESULT_VARIABLE result OUTPUT_VARIABLE output ERROR_VARIABLE output)
  if(NOT result EQUAL 0)
    message(FATAL_ERROR "${ARGN}\n${output}")
  endif()
endfunction()

file(REMOVE_RECURSE "${WORK}")
run(${CMAKE_COMMAND} --install "${BUILD}" --prefix "${WORK}/prefix" --component client)
run(${CMAKE_COMMAND} -G "${GENERATOR}" -S "${PROJECT}" -B "${WORK}/build" "-DCMAKE_PREFIX_PATH=${WORK}/prefix"
    "-DCMAKE_CXX_COMPILER=${COMPILER}" "-DCMAKE_BUILD_TYPE=${BUILD_TYPE}")
run(${CMAKE_COMMAND} --build "${WORK}/build")
run("${WORK}/build/outside")
