#!/bin/sh
# Starts the service from images that need a shell: `-config FILE`, `-config=FILE`, `--config FILE` or `--config=FILE`
# (default /etc/holmesgpt/config.yaml), port from API_PORT (default 8080). Arguments that start with a subcommand are
# passed on as they are.
set -eu

binary="${HOLMESGPT_API_BINARY:-/usr/local/bin/holmesgpt-api}"
: "${API_PORT:=8080}"
export API_PORT

case "${1:-}" in
  "") exec "$binary" serve ;;
  -*) exec "$binary" serve "$@" ;;
  *) exec "$binary" "$@" ;;
esac
