# SPDX-License-Identifier: Apache-2.0
"""Backends for libraries that others wrote, one file each. A file works where its library is
installed; the library's version stands in the certificate.

A clause counts only through the library's own argument: an adapter translates the vocabulary and
never draws Visible as a dense mask to claim a feature, nor touches what the library returned. What an
adapter does itself stands in ``EMULATED`` of its file and in the certificate.
"""
