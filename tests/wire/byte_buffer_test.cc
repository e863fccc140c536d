#include "proto/wire/byte_buffer.h"

#include <string>
#include <vector>

#include "gtest/gtest.h"

namespace lossd::wire {
namespace {

std::string Text(std::span<const Segment> segments) {
  std::string out;
  for (const Segment& segment : segments) out.append(reinterpret_cast<const char*>(segment.data), segment.size);
  return out;
}

Segment SegmentOf(const std::string& text) { return {reinterpret_cast<const std::byte*>(text.data()), text.size()}; }

TEST(ReceivedBytes, ReadsABufferWhereItLies) {
  const std::string large(100'000, 'x');
  const grpc::Slice slices[] = {grpc::Slice("tiny"), grpc::Slice(large.data(), large.size(), grpc::Slice::STATIC_SLICE),
                                grpc::Slice(), grpc::Slice("end")};
  const ReceivedBytes received(grpc::ByteBuffer(slices, 4));
  EXPECT_EQ(received.size_bytes(), large.size() + 7);
  EXPECT_EQ(Text(received.segments()), "tiny" + large + "end");
  bool same_memory = false;
  for (const Segment& segment : received.segments()) same_memory |= segment.data == SegmentOf(large).data;
  EXPECT_TRUE(same_memory);
}

TEST(ReceivedBytes, OutlivesTheBufferAndMoves) {
  ReceivedBytes moved;
  {
    const grpc::Slice slice("short enough to lie in the slice");
    ReceivedBytes received(grpc::ByteBuffer(&slice, 1));
    moved = std::move(received);
  }
  EXPECT_EQ(Text(moved.segments()), "short enough to lie in the slice");
}

TEST(ReceivedBytes, AnEmptyOrInvalidBufferHasNoBytes) {
  EXPECT_EQ(ReceivedBytes(grpc::ByteBuffer()).size_bytes(), 0u);
  EXPECT_EQ(ReceivedBytes(grpc::ByteBuffer(nullptr, 0)).size_bytes(), 0u);
}

TEST(ReceivedParts, OutliveTheMessageInAnyOrder) {
  const std::string large(100'000, 'x');
  std::vector<grpc::Slice> parts;
  {
    const grpc::Slice slices[] = {grpc::Slice("tiny"), grpc::Slice(large), grpc::Slice("ending")};
    const ReceivedBytes received(grpc::ByteBuffer(slices, 3));
    ASSERT_EQ(received.segments().size(), 3u);
    ReceivedParts finder(received);
    const auto find = [&](size_t segment, size_t begin, size_t size) {
      return finder.Find({received.segments()[segment].data + begin, size});
    };
    for (int turn = 0; turn < 2; ++turn) {
      parts.push_back(find(2, 3, 3));
      parts.push_back(find(0, 0, 4));
      parts.push_back(find(1, 99'000, 1000));
    }
    EXPECT_EQ(parts[2].begin(), reinterpret_cast<const uint8_t*>(received.segments()[1].data) + 99'000);
    EXPECT_EQ(find(2, 3, 4).size(), 0u) << "beyond the end";
    EXPECT_EQ(finder.Find(SegmentOf(large)).size(), 0u) << "not of this message";
  }
  const grpc::ByteBuffer sent(parts.data(), parts.size());
  const std::string once =
      "ing"
      "tiny" +
      std::string(1000, 'x');
  EXPECT_EQ(Text(ReceivedBytes(sent).segments()), once + once);
}

TEST(MakeByteBuffer, RefersToTheSlicesItIsGiven) {
  const std::string payload(50'000, 'p');
  const std::vector<Piece> pieces = {std::string("header"), SegmentOf(payload), std::string("middle"),
                                     SegmentOf(payload)};
  int released = 0;
  {
    const grpc::ByteBuffer buffer = MakeByteBuffer(pieces, [&](Segment segment) {
      return grpc::Slice(
          const_cast<std::byte*>(segment.data), segment.size, [](void* counter) { ++*static_cast<int*>(counter); },
          &released);
    });
    EXPECT_EQ(buffer.Length(), SizeBytes(pieces));
    const ReceivedBytes sent(buffer);
    ASSERT_EQ(sent.segments().size(), 4u);
    EXPECT_EQ(sent.segments()[1].data, SegmentOf(payload).data);
    EXPECT_EQ(sent.segments()[3].data, SegmentOf(payload).data);
    EXPECT_EQ(Text(sent.segments()), "header" + payload + "middle" + payload);
    EXPECT_EQ(released, 0);
  }
  EXPECT_EQ(released, 2);
}

}  // namespace
}  // namespace lossd::wire
