# What `cmake --install` puts where, so that another project can
#
#   find_package(lossd REQUIRED CONFIG)
#   target_link_libraries(app PRIVATE lossd::client)
#
# Components: client (library, headers, .proto files, package), tools (lossctl).
include(CMakePackageConfigHelpers)

set(package_dir "${CMAKE_INSTALL_LIBDIR}/cmake/lossd")
set(public_dir "${CMAKE_INSTALL_INCLUDEDIR}/lossd")
# The headers of core/ that the client's own include, under a root that no other package uses.
set(internal_dir "${public_dir}/internal")

target_include_directories(lossd_client PUBLIC
  "$<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>" "$<INSTALL_INTERFACE:${internal_dir}>")

install(TARGETS lossd_client lossd_proto lossd_wire EXPORT lossd_targets
  ARCHIVE DESTINATION "${CMAKE_INSTALL_LIBDIR}" COMPONENT client)
install(EXPORT lossd_targets NAMESPACE lossd:: FILE lossd-targets.cmake DESTINATION "${package_dir}" COMPONENT client)

configure_file("${CMAKE_CURRENT_LIST_DIR}/lossd-config.cmake" "${PROJECT_BINARY_DIR}/cmake/lossd-config.cmake" COPYONLY)
write_basic_package_version_file("${PROJECT_BINARY_DIR}/cmake/lossd-config-version.cmake" COMPATIBILITY SameMinorVersion)
install(FILES "${PROJECT_BINARY_DIR}/cmake/lossd-config.cmake" "${PROJECT_BINARY_DIR}/cmake/lossd-config-version.cmake"
  DESTINATION "${package_dir}" COMPONENT client)

install(DIRECTORY "${PROJECT_SOURCE_DIR}/client/cpp/lossd/" DESTINATION "${public_dir}" COMPONENT client
  FILES_MATCHING PATTERN "*.h")
install(DIRECTORY "${PROJECT_BINARY_DIR}/generated/lossd/v1" DESTINATION "${public_dir}" COMPONENT client
  FILES_MATCHING PATTERN "*.pb.h")
install(FILES "${PROJECT_SOURCE_DIR}/core/options.h" DESTINATION "${internal_dir}/core" COMPONENT client)
install(FILES "${PROJECT_SOURCE_DIR}/core/tensor/dtype.h" DESTINATION "${internal_dir}/core/tensor" COMPONENT client)
install(DIRECTORY "${PROJECT_SOURCE_DIR}/proto/lossd" DESTINATION "${CMAKE_INSTALL_DATADIR}/lossd/proto" COMPONENT client
  FILES_MATCHING PATTERN "*.proto")
