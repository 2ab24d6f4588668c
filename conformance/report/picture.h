// SPDX-License-Identifier: Apache-2.0
//
// A failure as a picture: a grid of symbols with labelled axes, drawn as text (replay) or as SVG
// (report.html). Each symbol has its own shape, so that it survives black-and-white print.
#ifndef ATTEST_CONFORMANCE_REPORT_PICTURE_H_
#define ATTEST_CONFORMANCE_REPORT_PICTURE_H_

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "conformance/run/record.h"
#include "spec/cases/case.h"

namespace attest {

enum class Symbol : char {
  kRight = '.',     // cell: nothing wrong recorded
  kWrong = 'x',     // cell: at least one element outside its bound
  kNoNumber = 'N',  // cell: NaN, or never written
  kVisible = 'o',   // key: visible, and seen
  kHidden = ' ',    // key: not visible, and not seen
  kExtra = '+',     // key: seen, and should not be
  kMissed = '-',    // key: not seen, and should be
  kAllowed = '#',   // key: visible by the spec, whatever a backend does
  kSeen = '*',      // key: seen by the backend, whatever the spec says
  kUnread = '?',    // key: what the backend does could not be told
};
std::string_view Meaning(Symbol symbol);

struct PictureAxis {
  std::string title;                // "query row"
  std::vector<std::string> labels;  // one a column or line
  std::vector<int> breaks;          // a rule is drawn before these indices
  std::string break_label;          // what the rules of this axis stand for; may be empty
};

struct Picture {
  std::string title;
  PictureAxis x;
  PictureAxis y;
  std::vector<Symbol> cells;       // y.labels.size() lines of x.labels.size()
  std::vector<std::string> notes;  // what was left out

  Symbol at(std::size_t line, std::size_t column) const {
    return cells[line * x.labels.size() + column];
  }
  Symbol& at(std::size_t line, std::size_t column) {
    return cells[line * x.labels.size() + column];
  }
};

// Query rows of all requests across, query heads down. Rows without a wrong cell are left out when
// there are too many; nullopt without wrong cells.
std::optional<Picture> CellPicture(const Case& value, const Record& record);

// Keys across, query rows down, for the request and head with the most wrongly seen or missed keys;
// cropped around them. nullopt where decoding named no key.
std::optional<Picture> MaskPicture(const Case& value, const Record& record);

// Lines of text, legend included.
std::string DrawText(const Picture& picture);

// One <svg> element. It is filled with the patterns below, which its page holds once: a picture of
// a thousand cells then takes a kilobyte.
std::string DrawSvg(const Picture& picture);
std::string SvgPatterns();

}  // namespace attest

#endif  // ATTEST_CONFORMANCE_REPORT_PICTURE_H_
