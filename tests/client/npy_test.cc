// Files as NumPy writes them, files as nobody should, and the way back.
#include "client/cpp/npy.h"

#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <random>
#include <sstream>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace lossd {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::string TempPath(const std::string& name) { return ::testing::TempDir() + "lossd_npy_test_" + name; }

std::string WriteFile(const std::string& name, const std::string& bytes) {
  const std::string path = TempPath(name);
  std::ofstream(path, std::ios::binary) << bytes;
  return path;
}

std::string ReadFile(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream(path, std::ios::binary).rdbuf();
  return text.str();
}

// Version 1.0 unless told otherwise.
std::string Npy(const std::string& header, const std::string& elements, int version = 1) {
  std::string file = "\x93NUMPY";
  file += static_cast<char>(version);
  file += '\0';
  for (int i = 0; i < (version == 1 ? 2 : 4); ++i) file += static_cast<char>(header.size() >> (8 * i) & 0xff);
  return file + header + elements;
}

TEST(Npy, ReadsEveryElementType) {
  struct Case {
    const char* descr;
    DType dtype;
  };
  const Case cases[] = {{"<f4", DType::kF32}, {"<f8", DType::kF64}, {"<f2", DType::kF16}, {"<i4", DType::kI32},
                        {"<i8", DType::kI64}, {"|u1", DType::kU8},  {"|b1", DType::kBool}};
  for (const Case& c : cases) {
    for (const int version : {1, 2, 3}) {
      SCOPED_TRACE(c.descr);
      const std::string elements(2 * 3 * SizeOf(c.dtype), '\1');
      const std::string header =
          std::string("{'descr': '") + c.descr + "', 'fortran_order': False, 'shape': (2, 3), }   \n";
      const auto tensor = ReadNpy(WriteFile("types.npy", Npy(header, elements, version)));
      ASSERT_TRUE(tensor.ok()) << tensor.status();
      EXPECT_EQ(tensor->dtype(), c.dtype);
      EXPECT_THAT(tensor->shape(), ElementsAre(2, 3));
      EXPECT_EQ(tensor->bytes().size(), elements.size());
    }
  }
}

TEST(Npy, ReadsShapesAndKeysHoweverTheyAreWritten) {
  struct Case {
    const char* header;
    std::vector<int64_t> shape;
    size_t count;
  };
  const Case cases[] = {
      {"{'descr': '<f4', 'fortran_order': False, 'shape': (), }", {}, 1},
      {"{'descr': '<f4', 'fortran_order': False, 'shape': (3,), }", {3}, 3},
      {"{\"shape\":(2,1),\"fortran_order\":False,\"descr\":\"<f4\"}", {2, 1}, 2},
      {"{'descr': '<f4', 'fortran_order': False, 'shape': (0, 9223372036854775807), }", {0, INT64_MAX}, 0},
  };
  for (const Case& c : cases) {
    const auto tensor = ReadNpy(WriteFile("shapes.npy", Npy(c.header, std::string(c.count * 4, '\0'))));
    ASSERT_TRUE(tensor.ok()) << c.header << ": " << tensor.status();
    EXPECT_EQ(tensor->shape(), c.shape) << c.header;
  }
}

TEST(Npy, RefusesWhatItCannotUseAndSaysWhy) {
  const auto header = [](const std::string& descr, const std::string& fortran, const std::string& shape) {
    return "{'descr': " + descr + ", 'fortran_order': " + fortran + ", 'shape': " + shape + ", }";
  };
  const std::string good = header("'<f4'", "False", "(2,)");
  struct Case {
    std::string file;
    const char* message;
  };
  const Case cases[] = {
      {"", "not a .npy file"},
      {"PK\3\4 a zip file", "not a .npy file"},
      {Npy(good, std::string(8, 0), 4), "format version 4"},
      {"\x93NUMPY\1", "not a .npy file"},
      {std::string("\x93NUMPY\1\0", 8), "ends in its header"},
      {Npy(good, "").substr(0, 30), "ends in its header"},
      {std::string("\x93NUMPY\2\0\xff\xff\xff\xff", 12), "header of 4294967295 bytes"},
      {Npy(header("'>f4'", "False", "(2,)"), std::string(8, 0)), "big-endian"},
      {Npy(header("'<f4'", "True", "(2, 1)"), std::string(8, 0)), "Fortran order"},
      {Npy(header("'<c8'", "False", "(1,)"), std::string(8, 0)), "'<c8'; expected f4"},
      {Npy(header("'|O'", "False", "(1,)"), std::string(8, 0)), "'|O'"},
      {Npy(header("[('a', '<f4')]", "False", "(2,)"), std::string(8, 0)), "structured"},
      {Npy(good, std::string(7, 0)), "shape [2] does not fit the 7 bytes"},
      {Npy(good, std::string(9, 0)), "shape [2] does not fit the 9 bytes"},
      {Npy(header("'<f4'", "False", "(4611686018427387904, 4)"), ""), "does not fit"},
      {Npy(header("'<f4'", "False", "(99999999999999999999,)"), ""), "cannot be read"},
      {Npy(header("'<f4'", "False", "(-1,)"), ""), "cannot be read"},
      {Npy(header("'<f4'", "False", "(1 2)"), std::string(8, 0)), "cannot be read"},
      {Npy(header("'<f4'", "Maybe", "(2,)"), std::string(8, 0)), "cannot be read"},
      {Npy("{'descr': '<f4', 'shape': (2,)}", std::string(8, 0)), "cannot be read"},
      {Npy("{'descr': '<f4', 'fortran_order': False, 'shape': (2,), 'more': 1}", std::string(8, 0)), "cannot be read"},
      {Npy(good + "garbage", std::string(8, 0)), "cannot be read"},
      {Npy("not a dictionary", std::string(8, 0)), "cannot be read"},
  };
  for (const Case& c : cases) {
    const auto tensor = ReadNpy(WriteFile("bad.npy", c.file));
    EXPECT_EQ(tensor.status().code(), absl::StatusCode::kInvalidArgument) << c.message;
    EXPECT_THAT(std::string(tensor.status().message()), HasSubstr(c.message));
    EXPECT_THAT(std::string(tensor.status().message()), HasSubstr("bad.npy: "));
  }
  EXPECT_EQ(ReadNpy(TempPath("absent.npy")).status().code(), absl::StatusCode::kNotFound);
  EXPECT_FALSE(ReadNpy(::testing::TempDir()).ok());
}

TEST(Npy, SurvivesMutatedFiles) {
  const std::string good = Npy("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }", std::string(24, '\0'));
  for (uint32_t seed = 0; seed < 1000; ++seed) {
    std::mt19937 random(seed);
    std::string file = good;
    for (int i = 0; i < 3; ++i) file[random() % file.size()] = static_cast<char>(random());
    file.resize(random() % 4 == 0 ? random() % file.size() : file.size());
    const auto tensor = ReadNpy(WriteFile("mutated.npy", file));
    if (!tensor.ok()) continue;
    EXPECT_LE(tensor->bytes().size(), file.size()) << "seed " << seed;
  }
}

TEST(Npy, ReadsBackWhatItWrote) {
  const std::vector<double> values = {1.5, -0.0, 1e300};
  const std::vector<std::vector<int64_t>> shapes = {{3}, {3, 1}, {1, 3, 1}};
  for (const auto& shape : shapes) {
    const std::string path = TempPath("written.npy");
    ASSERT_TRUE(WriteNpy(path, ConstTensor::Of(values, shape)).ok());
    EXPECT_EQ(ReadFile(path).find('\n') % 64, 63u);
    const auto tensor = ReadNpy(path);
    ASSERT_TRUE(tensor.ok()) << tensor.status();
    EXPECT_EQ(tensor->shape(), shape);
    EXPECT_THAT(tensor->values<double>(), ElementsAre(1.5, 0.0, 1e300));
  }
  EXPECT_FALSE(WriteNpy("/nonexistent/x.npy", ConstTensor::Of(values)).ok());
  EXPECT_THAT(std::string(WriteNpy(TempPath("x.npy"), {.dtype = DType::kBF16, .shape = {}, .bytes = {}}).message()),
              HasSubstr("BF16"));
}

TEST(Npy, AgreesWithNumPy) {
  if (std::system("python3 -c 'import numpy' >/dev/null 2>&1") != 0)
    GTEST_SKIP() << "python3 with numpy is not installed";
  const std::string path = TempPath("numpy.npy");
  for (const char* type : {"f4", "f8", "f2", "i4", "i8", "u1", "?"}) {
    SCOPED_TRACE(type);
    const std::string write =
        "python3 -c \"import numpy; numpy.save('" + path + "', numpy.arange(6).reshape(2,3).astype('" + type + "'))\"";
    ASSERT_EQ(std::system(write.c_str()), 0);
    const auto tensor = ReadNpy(path);
    ASSERT_TRUE(tensor.ok()) << tensor.status();
    EXPECT_THAT(tensor->shape(), ElementsAre(2, 3));
    const std::string written = ReadFile(path);
    ASSERT_TRUE(WriteNpy(path, tensor->view()).ok());
    const std::string check = "python3 -c \"import numpy; a = numpy.load('" + path +
                              "'); assert (a == numpy.arange(6).reshape(2,3).astype('" + type + "')).all()\"";
    EXPECT_EQ(std::system(check.c_str()), 0);
    EXPECT_EQ(ReadFile(path).size(), written.size());
  }
}

}  // namespace
}  // namespace lossd
