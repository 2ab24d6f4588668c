# SPDX-License-Identifier: Apache-2.0
#
# attest_embed_files(OUT_VAR FUNCTION FILES...): text files as one C++ source, compiled into the caller's
# library, so that a program needs no files beside it. The source is made again when a file changes. It defines
#     const std::vector<attest::EmbeddedFile>& attest::FUNCTION();
# (spec/cases/embedded.h) with paths relative to the repository root, sorted.
#
# The file is its own worker: with -DOUTPUT=... it writes the source.
if(DEFINED OUTPUT)
  set(entries "")
  string(REPLACE "," ";" files "${FILES}")
  foreach(file IN LISTS files)
    # Brackets and semicolons mean something to CMake lists; the text never becomes one.
    file(READ "${ROOT}/${file}" text)
    string(APPEND entries "      {\"${file}\", R\"EMBEDDED(${text})EMBEDDED\"},\n")
  endforeach()
  file(WRITE "${OUTPUT}.new"
"// Made by ci/cmake/EmbedFiles.cmake.
#include \"spec/cases/embedded.h\"

namespace attest {

const std::vector<EmbeddedFile>& ${FUNCTION}() {
  static const std::vector<EmbeddedFile> kFiles = {
${entries}  };
  return kFiles;
}

}  // namespace attest
")
  file(RENAME "${OUTPUT}.new" "${OUTPUT}")
  return()
endif()

set(ATTEST_EMBED_SCRIPT ${CMAKE_CURRENT_LIST_FILE})
function(attest_embed_files out_var function)
  set(relative "")
  foreach(file IN LISTS ARGN)
    file(RELATIVE_PATH name ${PROJECT_SOURCE_DIR} ${file})
    list(APPEND relative ${name})
  endforeach()
  list(SORT relative)
  list(JOIN relative "," joined)
  set(output ${CMAKE_CURRENT_BINARY_DIR}/${function}.cc)
  add_custom_command(
    OUTPUT ${output}
    COMMAND ${CMAKE_COMMAND} -DOUTPUT=${output} -DROOT=${PROJECT_SOURCE_DIR} -DFUNCTION=${function}
            "-DFILES=${joined}" -P ${ATTEST_EMBED_SCRIPT}
    DEPENDS ${ARGN} ${ATTEST_EMBED_SCRIPT}
    COMMENT "Embedding spec data"
    VERBATIM)
  set(${out_var} ${output} PARENT_SCOPE)
endfunction()
