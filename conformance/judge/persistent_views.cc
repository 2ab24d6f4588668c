// SPDX-License-Identifier: Apache-2.0
#include "conformance/judge/persistent_views.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <set>

namespace attest {
namespace {

std::string List(const std::vector<std::int64_t>& numbers) {
  return fmt::format("[{}]", fmt::join(numbers, ", "));
}

// Bytes from the first element to the end of the last.
std::int64_t BytesOf(const SeenTensor& tensor) {
  std::int64_t last = 0;
  for (std::size_t axis = 0; axis < tensor.shape.size(); ++axis) {
    if (tensor.shape[axis] <= 0) return 0;
    last += (tensor.shape[axis] - 1) * tensor.strides[axis];
  }
  return (last + 1) * static_cast<std::int64_t>(SizeOf(tensor.dtype));
}

// One view on its own.
std::string Wrong(const SeenView& seen) {
  if (seen.view.dtype == DType::kNone || seen.view.dtype != seen.buffer.dtype) {
    return fmt::format("is of type {}, its buffer of {}", Name(seen.view.dtype),
                       Name(seen.buffer.dtype));
  }
  if (seen.view.strides != seen.buffer.strides) {
    return fmt::format("has strides {}, its buffer {}", List(seen.view.strides),
                       List(seen.buffer.strides));
  }
  for (std::size_t axis = 0; axis < seen.view.shape.size(); ++axis) {
    if (seen.view.shape[axis] < 0 || seen.view.shape[axis] > seen.buffer.shape[axis]) {
      return fmt::format("has shape {}, its buffer {}", List(seen.view.shape),
                         List(seen.buffer.shape));
    }
  }
  const std::int64_t end = seen.buffer.address + static_cast<std::int64_t>(seen.buffer_bytes);
  if (seen.view.address < seen.buffer.address || seen.view.address + BytesOf(seen.view) > end) {
    return "reaches outside of its buffer";
  }
  return {};
}

// What moved since the first step. Addresses differ from run to run and are no part of the text.
std::string Moved(const SeenView& now, const SeenView& then) {
  if (now.view.address != then.view.address)
    return "has another data pointer than at the first step";
  if (now.view.strides != then.view.strides) {
    return fmt::format("has strides {}, at the first step {}", List(now.view.strides),
                       List(then.view.strides));
  }
  if (now.view.dtype != then.view.dtype) return "has another type than at the first step";
  if (!(now.buffer == then.buffer) || now.buffer_bytes != then.buffer_bytes) {
    return "is of another buffer than at the first step";
  }
  return {};
}

}  // namespace

std::string WrongViews(const std::vector<SeenView>& views, const std::vector<SeenView>* first) {
  std::set<std::string> names;
  for (const SeenView& seen : views) {
    if (seen.name.empty()) return "a view has no name, shape or strides";
    if (!names.insert(seen.name).second) {
      return fmt::format("two views are named {}", seen.name);
    }
    if (const std::string wrong = Wrong(seen); !wrong.empty()) {
      return fmt::format("the view {} {}", seen.name, wrong);
    }
  }
  if (first == nullptr) return {};
  if (views.size() != first->size()) {
    return fmt::format("{} views, at the first step {}", views.size(), first->size());
  }
  for (std::size_t i = 0; i < views.size(); ++i) {
    if (views[i].name != (*first)[i].name) {
      return fmt::format("view {} is {}, at the first step {}", i, views[i].name, (*first)[i].name);
    }
    if (const std::string moved = Moved(views[i], (*first)[i]); !moved.empty()) {
      return fmt::format("the view {} {}", views[i].name, moved);
    }
  }
  return {};
}

}  // namespace attest
