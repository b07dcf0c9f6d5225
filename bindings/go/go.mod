// SPDX-License-Identifier: MIT

module eplb

go 1.19
