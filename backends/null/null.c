/* SPDX-License-Identifier: Apache-2.0
 *
 * null: the smallest backend there is. It refuses every problem with a reason and claims nothing,
 * so nothing it says can be wrong. Copy this file to begin a backend of your own;
 * backends/README.md goes on from here.
 *
 *     cc -shared -fPIC -I<attest> -o libmy.so null.c
 */
#include <stdio.h>
#include <string.h>

#include "spec/abi/attest.h"

/* ---- Helpers ---- */

/* Writes the text of a failure and returns its code, so that a check is one line. */
static attest_status_t fail(attest_error_t* error, attest_status_t status, const char* text) {
  if (error != NULL) snprintf(error->message, sizeof error->message, "%s", text);
  return status;
}

/* Accepts "" and "threads=N"; the one thread of this backend is within any N. */
static int options_are_known(const char* options) {
  if (options == NULL || *options == '\0') return 1;
  if (strncmp(options, "threads=", 8) != 0) return 0;
  options += 8;
  return *options >= '1' && *options <= '9' && strspn(options, "0123456789") == strlen(options);
}

/* ---- What the backend says of itself ---- */

static attest_status_t claims(void* self, attest_claims_t* out, attest_error_t* error) {
  const uint32_t size = out->struct_size;
  (void)self;
  if (size < sizeof *out) {
    return fail(error, ATTEST_INVALID_ARGUMENT, "claims.struct_size: smaller than attest_claims_t");
  }
  memset(out, 0, sizeof *out); /* no feature, no dtype, no size: nothing is claimed */
  out->struct_size = size;
  out->arithmetic.struct_size = (uint32_t)sizeof out->arithmetic;
  out->name = "null";
  out->version = "0.1";
  out->vendor = "attest";
  out->device_name = "none";
  return ATTEST_OK;
}

static attest_status_t supports(void* self, const attest_problem_t* problem,
                                attest_error_t* error) {
  (void)self;
  (void)problem;
  return fail(error, ATTEST_REFUSED, "null computes nothing");
}

/* ---- The work ---- */

static attest_status_t forward(void* self, const attest_problem_t* problem,
                               const attest_forward_args_t* args, attest_error_t* error) {
  (void)args;
  return supports(self, problem, error); /* what supports refuses, forward refuses */
}

static attest_status_t synchronize(void* self, attest_error_t* error) {
  (void)self;
  (void)error;
  return ATTEST_OK; /* forward queues nothing */
}

static void close_backend(void* self) { (void)self; }

/* ---- The one exported symbol ---- */

attest_status_t attest_backend_open(uint32_t abi_version, const char* selector, const char* options,
                                    attest_backend_t* backend, attest_error_t* error) {
  if (abi_version != ATTEST_ABI_VERSION || backend->struct_size < sizeof *backend) {
    return fail(error, ATTEST_ABI_MISMATCH, "null speaks version 0.1 of the ABI");
  }
  if (selector != NULL && *selector != '\0') {
    return fail(error, ATTEST_INVALID_ARGUMENT, "selector: null knows only the empty one");
  }
  if (!options_are_known(options)) {
    return fail(error, ATTEST_INVALID_ARGUMENT, "options: null knows only threads=N");
  }
  memset(backend, 0, sizeof *backend); /* a NULL member is "not offered" */
  backend->struct_size = (uint32_t)sizeof *backend;
  backend->abi_version = ATTEST_ABI_VERSION;
  backend->close = close_backend;
  backend->claims = claims;
  backend->supports = supports;
  backend->forward = forward;
  backend->synchronize = synchronize;
  return ATTEST_OK;
}
