// SPDX-License-Identifier: Apache-2.0
#include "reference/write_kv.h"

#include <gtest/gtest.h>
