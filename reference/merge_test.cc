// SPDX-License-Identifier: Apache-2.0
#include "reference/merge.h"

#include <gtest/gtest.h>
