// Tensors in shared memory, and every way to hand over something else.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <atomic>
#include <fstream>
#include <random>
#include <thread>

#include "lossd/batch.h"
#include "lossd/shared_region.h"
#include "tests/integration/test_server.h"
#include "tests/support/status.h"

namespace lossd {
namespace {

using testing::Eventually;
using ::testing::HasSubstr;
using testing::IsOk;
using ::testing::StartsWith;
using testing::StatusIs;

constexpr size_t kMostBytes = size_t{64} << 20;

class SharedMemoryTest : public testing::ServerTest {
 protected:
  SharedMemoryTest() : ServerTest(Options()), client_(*Client::Create({.address = server_->addresses()[0]})) {}

  static std::string SocketPath() { return ::testing::TempDir() + "/lossd_memory_" + std::to_string(getpid()); }
  static server::ServerOptions Options() {
    server::ServerOptions options = testing::SmallServer();
    options.shared_memory_socket = SocketPath();
    options.max_shared_memory_bytes = kMostBytes;
    return options;
  }

  // y_pred, y_true and room for a gradient, of `count` numbers of T each.
  template <class T>
  struct Shared {
    SharedRegion region;
    std::span<T> y_pred, y_true, gradient;

    explicit Shared(size_t count) : region(*SharedRegion::Create(SocketPath(), 3 * count * sizeof(T))) {
      T* const numbers = reinterpret_cast<T*>(region.bytes().data());
      y_pred = {numbers, count}, y_true = {numbers + count, count}, gradient = {numbers + 2 * count, count};
      std::mt19937 random(3);
      for (T& x : y_pred) x = static_cast<T>(std::normal_distribution<double>(0, 2)(random));
      for (T& x : y_true) x = static_cast<T>(std::normal_distribution<double>()(random));
    }
    LossCall Call(const std::string& loss) const {
      const auto n = static_cast<int64_t>(y_pred.size());
      return {.loss = loss,
              .y_true = region.Tensor(DTypeFor<T>(), {n}, y_pred.size_bytes()),
              .y_pred = region.Tensor(DTypeFor<T>(), {n}, 0),
              .output_regions = {{"gradients.y_pred", region.Place(2 * y_pred.size_bytes(), y_pred.size_bytes())}}};
    }
    LossCall Copied(const std::string& loss) const {
      return {.loss = loss, .y_true = ConstTensor::Of(y_true), .y_pred = ConstTensor::Of(y_pred)};
    }
  };

  template <class T>
  void SameBitsAsSent(const std::string& loss, size_t count) {
    SCOPED_TRACE(loss + " " + std::to_string(count));
    const Shared<T> shared(count);
    const auto sent = client_.Gradient(shared.Copied(loss)), here = client_.Gradient(shared.Call(loss));
    ASSERT_TRUE(sent.ok() && here.ok()) << sent.status() << here.status();
    EXPECT_EQ(*here->value, *sent->value);
    EXPECT_EQ(here->gradient.shape(), sent->gradient.shape());
    EXPECT_TRUE(here->gradient.bytes().empty()) << "it is in the region";
    EXPECT_TRUE(
        std::equal(shared.gradient.begin(), shared.gradient.end(), sent->gradient.template values<T>().begin()));
  }

  // A connection to the socket, and what it says to files.
  class RawPeer {
   public:
    RawPeer() : socket_(::socket(AF_UNIX, SOCK_SEQPACKET, 0)) {
      sockaddr_un address{};
      address.sun_family = AF_UNIX;
      SocketPath().copy(address.sun_path, sizeof address.sun_path - 1);
      EXPECT_EQ(connect(socket_, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    }
    ~RawPeer() { Close(); }
    void Close() {
      if (socket_ >= 0) close(std::exchange(socket_, -1));
    }
    std::string Hand(const std::vector<int>& files) {
      char byte = 0, control[CMSG_SPACE(16 * sizeof(int))] = {};
      iovec place{&byte, 1};
      msghdr message{};
      message.msg_iov = &place;
      message.msg_iovlen = 1;
      if (!files.empty()) {
        message.msg_control = control;
        message.msg_controllen = CMSG_SPACE(files.size() * sizeof(int));
        cmsghdr* const part = CMSG_FIRSTHDR(&message);
        part->cmsg_level = SOL_SOCKET;
        part->cmsg_type = SCM_RIGHTS;
        part->cmsg_len = CMSG_LEN(files.size() * sizeof(int));
        std::memcpy(CMSG_DATA(part), files.data(), files.size() * sizeof(int));
      }
      EXPECT_EQ(sendmsg(socket_, &message, 0), 1);
      char answer[1000];
      const ssize_t size = recv(socket_, answer, sizeof answer, 0);
      return size < 0 ? "" : std::string(answer, static_cast<size_t>(size));
    }

   private:
    int socket_;
  };

  static int Memfd(size_t size, int seals, unsigned flags = MFD_ALLOW_SEALING) {
    const int file = memfd_create("test", flags);
    EXPECT_EQ(ftruncate(file, static_cast<off_t>(size)), 0);
    if (seals != 0) {
      EXPECT_EQ(fcntl(file, F_ADD_SEALS, seals), 0);
    }
    return file;
  }

  Client client_;
};

TEST_F(SharedMemoryTest, GradientsInPlaceHaveTheBitsOfThoseThatAreSent) {
  for (const size_t count : {size_t{1}, size_t{100}, size_t{5000}, size_t{300'000}}) {
    SameBitsAsSent<float>("huber", count);
    SameBitsAsSent<float>("cauchy", count);  // computed in double
    SameBitsAsSent<double>("huber", count);
    SameBitsAsSent<double>("cauchy", count);
  }
  EXPECT_TRUE(EventuallyIdle());
}

TEST_F(SharedMemoryTest, EveryOutputMayGoToARegion) {
  const size_t n = 1000, bytes = n * sizeof(float);
  const auto region = SharedRegion::Create(SocketPath(), 4 * bytes);
  ASSERT_TRUE(region.ok()) << region.status();
  const std::vector<float> y_pred(n, 3.0f), y_true(n, 1.0f);
  LossCall call{.loss = "mse", .y_true = ConstTensor::Of(y_true), .y_pred = ConstTensor::Of(y_pred)};
  call.options.reduction = Reduction::kNone;
  call.hessian_diagonal = true;
  call.output_regions = {{"per_item", region->Place(0, bytes)},
                         {"gradients.y_pred", region->Place(bytes, bytes)},
                         {"hessian_diagonals.y_pred", region->Place(2 * bytes, bytes)}};
  ASSERT_THAT(client_.Gradient(call), IsOk());
  const std::span numbers(reinterpret_cast<const float*>(region->bytes().data()), 4 * n);
  for (const auto& [at, expected] :
       {std::pair{0 * n, 4.0f}, {1 * n - 1, 4.0f}, {1 * n, 4.0f}, {2 * n, 2.0f}, {3 * n, 0.0f}}) {
    EXPECT_EQ(numbers[at], expected) << at;
  }
  call.output_regions = {{"per_item", region->Place(3 * bytes, bytes)}};
  call.hessian_diagonal = false;
  const auto evaluated = client_.Evaluate(call);
  ASSERT_THAT(evaluated, IsOk());
  EXPECT_EQ(numbers[3 * n], 4.0f);
  EXPECT_TRUE(evaluated->per_item->bytes().empty());
}

TEST_F(SharedMemoryTest, BatchesInChunksMayComeFromARegion) {
  const Shared<float> shared(50'000);
  const auto sent = client_.Evaluate(shared.Copied("huber"));
  auto batch = client_.OpenBatch({.loss = "huber"}, {});
  ASSERT_TRUE(batch.ok());
  for (size_t begin = 0; begin < 50'000; begin += 10'000) {
    ASSERT_THAT(batch->Add({.y_true = shared.region.Tensor(DType::kF32, {10'000}, (50'000 + begin) * sizeof(float)),
                            .y_pred = shared.region.Tensor(DType::kF32, {10'000}, begin * sizeof(float))}),
                IsOk());
  }
  const auto result = batch->Finish();
  ASSERT_TRUE(result.ok() && sent.ok()) << result.status();
  EXPECT_EQ(*result->value, *sent->value);
}

TEST_F(SharedMemoryTest, ReferencesThatLeadElsewhereAreRefused) {
  const Shared<float> shared(100);
  const LossCall good = shared.Call("huber");
  ASSERT_THAT(client_.Gradient(good), IsOk());
  struct Case {
    absl::StatusCode code;
    const char* message;
    std::function<void(LossCall&)> change;
  };
  const auto kInvalid = absl::StatusCode::kInvalidArgument;
  constexpr uint64_t kHuge = ~uint64_t{0};
  for (const Case& c : {
           Case{absl::StatusCode::kNotFound, "y_pred: shared_memory.region: there is no such region",
                [](LossCall& call) { call.y_pred->shared.region += "0"; }},
           Case{kInvalid, "the region has 1200 bytes", [](LossCall& call) { call.y_pred->shared.offset = 801; }},
           Case{kInvalid, "the region has 1200 bytes",
                [&](LossCall& call) { call.y_pred->shared.offset = kHuge - 399; }},
           Case{kInvalid, "the region has 1200 bytes", [&](LossCall& call) { call.y_pred->shared.offset = kHuge; }},
           Case{kInvalid, "the region has 1200 bytes", [&](LossCall& call) { call.y_pred->shared.size_bytes = kHuge; }},
           Case{kInvalid, "y_pred", [](LossCall& call) { call.y_pred->shared.size_bytes = 396; }},
           Case{kInvalid, "y_pred", [](LossCall& call) { call.y_pred->shape = {101}; }},
           Case{kInvalid, "room for 396 bytes; the output has 400",
                [](LossCall& call) { call.output_regions[0].second.size_bytes = 396; }},
           Case{kInvalid, "byte_offset 799; expected a multiple of 4",
                [](LossCall& call) { call.output_regions[0].second.offset = 799; }},
           Case{kInvalid, "no such output of this call; it has gradients.y_pred",
                [](LossCall& call) { call.output_regions[0].first = "gradients.y_true"; }},
           Case{kInvalid, "the region has 1200 bytes",
                [&](LossCall& call) { call.output_regions[0].second.offset = kHuge; }},
           Case{absl::StatusCode::kNotFound, "output_regions[\"gradients.y_pred\"]",
                [](LossCall& call) { call.output_regions[0].second.region = "lossd-region-"; }},
       }) {
    LossCall call = good;
    c.change(call);
    EXPECT_THAT(client_.Gradient(call), StatusIs(c.code, HasSubstr(c.message)));
  }
  EXPECT_THAT(client_.Gradient(good), IsOk()) << "and the server is well";
}

TEST_F(SharedMemoryTest, WhatIsNoSealedMemoryFileIsRefused) {
  const std::string path = ::testing::TempDir() + "/lossd_plain_" + std::to_string(getpid());
  std::ofstream(path) << std::string(4096, 'x');
  const int plain = open(path.c_str(), O_RDWR), no_file = socket(AF_UNIX, SOCK_STREAM, 0);
  RawPeer peer;
  EXPECT_THAT(peer.Hand({Memfd(4096, 0)}), StartsWith("INVALID_ARGUMENT: the file may shrink"));
  EXPECT_THAT(peer.Hand({Memfd(4096, F_SEAL_GROW | F_SEAL_WRITE)}), HasSubstr("the file may shrink"));
  EXPECT_THAT(peer.Hand({Memfd(4096, 0, 0)}), HasSubstr("the file may shrink"));  // may not be sealed at all
  EXPECT_THAT(peer.Hand({plain}), HasSubstr("the file"));
  EXPECT_THAT(peer.Hand({no_file}), HasSubstr("no memfd"));
  EXPECT_THAT(peer.Hand({Memfd(0, F_SEAL_SHRINK)}), HasSubstr("empty"));
  EXPECT_THAT(peer.Hand({}), HasSubstr("0 file descriptors"));
  const int sound = Memfd(4096, F_SEAL_SHRINK);
  EXPECT_THAT(peer.Hand({sound, sound}), HasSubstr("2 file descriptors"));
  EXPECT_THAT(peer.Hand({Memfd(kMostBytes + 1, F_SEAL_SHRINK)}), StartsWith("RESOURCE_EXHAUSTED"));
  EXPECT_THAT(peer.Hand({sound}), StartsWith("OK lossd-region-"));
  EXPECT_EQ(ftruncate(sound, 0), -1) << "the seal holds";
}

TEST_F(SharedMemoryTest, RegionsAreLimitedAndGoWithTheirConnection) {
  const int half = Memfd(kMostBytes / 2, F_SEAL_SHRINK), small = Memfd(4096, F_SEAL_SHRINK);
  std::string name;
  {
    RawPeer peer, other;
    name = peer.Hand({half}).substr(3);
    EXPECT_THAT(other.Hand({half}), StartsWith("OK"));
    EXPECT_THAT(other.Hand({small}), StartsWith("RESOURCE_EXHAUSTED")) << "of all connections together";
    other.Close();
    EXPECT_TRUE(Eventually([&] { return peer.Hand({small}).starts_with("OK"); }));
    int regions = 2;
    for (; peer.Hand({small}).starts_with("OK"); ++regions) ASSERT_LT(regions, 1000);
    EXPECT_EQ(regions, 64);
  }
  LossCall call{.loss = "l2", .inputs = {{"y_pred", {DType::kF32, {4}, {}, {name, 0, 16}}}}};
  EXPECT_TRUE(Eventually([&] { return client_.Evaluate(call).status().code() == absl::StatusCode::kNotFound; }));
}

TEST_F(SharedMemoryTest, RegionsSealedAgainstWritingAreForInputsAlone) {
  const int file = Memfd(4096, F_SEAL_SHRINK | F_SEAL_WRITE);
  RawPeer peer;
  const std::string name = peer.Hand({file}).substr(3);
  const std::vector<float> y_true(4);
  LossCall call{
      .loss = "mse", .y_true = ConstTensor::Of(y_true), .y_pred = ConstTensor{DType::kF32, {4}, {}, {name, 0, 16}}};
  EXPECT_THAT(client_.Gradient(call), IsOk());
  call.output_regions = {{"gradients.y_pred", {name, 16, 16}}};
  EXPECT_THAT(client_.Gradient(call),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("sealed against writing")));
}

// Labels that change between the check and the use, and an owner that goes in the middle of its calls.
TEST_F(SharedMemoryTest, NothingThatAnOwnerDoesMeanwhileHurtsTheServer) {
  constexpr int64_t kRows = 20'000, kClasses = 8;
  for (int round = 0; round < 5; ++round) {
    auto region = SharedRegion::Create(SocketPath(), kRows * (kClasses * 2 + 1) * 8);
    ASSERT_TRUE(region.ok()) << region.status();
    auto* const labels = reinterpret_cast<volatile int64_t*>(region->bytes().data() + kRows * kClasses * 16);
    std::atomic<bool> stop = false;
    std::thread writer([&] {
      std::mt19937_64 random(round);
      while (!stop) labels[random() % kRows] = random() % 2 == 0 ? 0 : static_cast<int64_t>(random());
    });
    LossCall call{.loss = "sparse_categorical_crossentropy",
                  .y_true = region->Tensor(DType::kI64, {kRows}, kRows * kClasses * 16),
                  .y_pred = region->Tensor(DType::kF64, {kRows, kClasses}, 0),
                  .output_regions = {{"gradients.y_pred", region->Place(kRows * kClasses * 8, kRows * kClasses * 8)}}};
    call.options.input_kind = InputKind::kLogits;
    // A loss that sorts what it reads.
    LossCall sorted{.loss = "list_mle",
                    .y_true = region->Tensor(DType::kF64, {kRows / 10, 10}, kRows * kClasses * 8),
                    .y_pred = region->Tensor(DType::kF64, {kRows / 10, 10}, 0)};
    std::vector<std::thread> callers;
    for (int t = 0; t < 2; ++t) {
      callers.emplace_back([&] {
        for (int i = 0; i < 5; ++i) {
          const auto code = client_.Gradient(call).status().code();
          EXPECT_TRUE(code == absl::StatusCode::kOk || code == absl::StatusCode::kInvalidArgument) << code;
          EXPECT_THAT(client_.Gradient(sorted), IsOk());
        }
      });
    }
    for (std::thread& caller : callers) caller.join();
    stop = true;
    writer.join();
    // The calls of this one are cut off, and their region with them.
    auto stream = testing::GenericCall(channel_, "/lossd.v1.LossService/Gradient");
    stream.Start();
    region = absl::CancelledError("gone");
  }
  EXPECT_TRUE(Eventually([&] { return client_.Check().ok(); }));
}

TEST_F(SharedMemoryTest, AServerWithoutItSaysSo) {
  server_.reset();
  Start(testing::SmallServer());
  const auto client = Client::Create({.address = server_->addresses()[0]});
  const LossCall call{.loss = "l2", .inputs = {{"y_pred", {DType::kF32, {4}, {}, {"lossd-region-0", 0, 16}}}}};
  EXPECT_THAT(client->Evaluate(call), StatusIs(absl::StatusCode::kUnimplemented, HasSubstr("--shared_memory_socket")));
  EXPECT_EQ(SharedRegion::Create(SocketPath(), 4096).status().code(), absl::StatusCode::kUnavailable);
}

TEST_F(SharedMemoryTest, SocketsHaveTheirModeAndAreNotTakenFromTheLiving) {
  struct stat file {};
  ASSERT_EQ(stat(SocketPath().c_str(), &file), 0);
  EXPECT_EQ(file.st_mode & 0777, 0600u);
  server::ServerOptions second = Options();
  EXPECT_THAT(server::Server::Start(second), StatusIs(absl::StatusCode::kUnavailable, HasSubstr("another server")));
  const std::string grpc_path = SocketPath() + "_grpc";
  second.shared_memory_socket.clear();
  second.unix_socket_mode = 0660;
  second.listen_addresses = {"unix:" + grpc_path};
  {
    const auto server = server::Server::Start(second);
    ASSERT_THAT(server, IsOk());
    ASSERT_EQ(stat(grpc_path.c_str(), &file), 0);
    EXPECT_EQ(file.st_mode & 0777, 0660u);
    EXPECT_THAT(server::Server::Start(second), StatusIs(absl::StatusCode::kUnavailable, HasSubstr("another server")));
    EXPECT_THAT(Client::Create({.address = "unix:" + grpc_path})->Check(), IsOk()) << "still its own";
  }
  EXPECT_NE(stat(grpc_path.c_str(), &file), 0) << "the file goes with the server";
  std::ofstream(grpc_path) << "no socket";
  EXPECT_THAT(server::Server::Start(second),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr("no socket lies there")));
  unlink(grpc_path.c_str());
  // The file of a server that was killed.
  const int dead = socket(AF_UNIX, SOCK_STREAM, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  grpc_path.copy(address.sun_path, sizeof address.sun_path - 1);
  ASSERT_EQ(bind(dead, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  close(dead);
  EXPECT_THAT(server::Server::Start(second), IsOk());
  second.listen_addresses = {"unix-abstract:lossd_test_" + std::to_string(getpid())};
  const auto abstract = server::Server::Start(second);
  ASSERT_THAT(abstract, IsOk());
  EXPECT_THAT(Client::Create({.address = second.listen_addresses[0]})->Check(), IsOk());
}

}  // namespace
}  // namespace lossd
