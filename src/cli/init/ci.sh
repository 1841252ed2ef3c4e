#!/bin/sh
# What a change to the policies has to pass. Needs regate and opa (1.0 or later) on the path; a step of any CI runs it,
# in a GitHub workflow `- run: ./ci.sh`.
set -eu
cd "$(dirname "$0")"

regate check policies
regate test policies
opa fmt --fail --list policies
opa check --strict policies
opa test policies

# Reviews whose answer must not change by accident: 0 is allowed, 1 is denied.
regate review --policy policies reviews/allowed.yaml
code=0
regate review --policy policies reviews/denied.json || code=$?
test "$code" -eq 1
