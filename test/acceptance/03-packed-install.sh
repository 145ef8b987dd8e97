#!/usr/bin/env bash
# The package as a user gets it: packed, installed in an empty project, type-checked, run as a library and as a command.
# Usage: test/acceptance/03-packed-install.sh   (from a clone, after npm ci)
set -euo pipefail
cd "$(dirname "$0")/../.."

clone=$PWD
home=$(mktemp -d)
trap 'rm -rf "$home"' EXIT
# The project's Node comes first on the path, as in its npm scripts.
export PATH="$clone/node_modules/.bin:$PATH"

echo '== npm pack'
npm pack --silent --pack-destination "$home"
package=$(ls "$home"/*.tgz)
tar -tzf "$package" | wc -l | sed 's/$/ files/'
if tar -tzf "$package" | grep -vE '^package/(bin/|config/|dist/|docs/|(ARCHITECTURE|CHANGELOG|README|SECURITY).md|LICENSE|package.json)'; then
  echo 'FAILED: the package holds files that it should not'
  exit 1
fi

echo '== install in an empty project'
mkdir "$home/project"
cd "$home/project"
echo '{ "name": "host", "private": true, "type": "module" }' > package.json
npm install --silent --no-audit --no-fund "$package" typescript@7 @types/node@24
cp "$clone"/examples/*.ts .

echo '== type-check, strictly'
# XState’s own declarations need skipLibCheck only under exactOptionalPropertyTypes, which is off here.
npx tsc --strict --noEmit --module nodenext --target es2024 --types node ./*.ts

echo '== run the examples'
node embed.ts
node agent-host.ts

echo '== run the command'
npx caxton version
npx caxton dev start --once --dir "$home/cluster" | tail -3
echo 'ok'
