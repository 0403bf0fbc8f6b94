#!/usr/bin/env bash
# Asks a running `mafin serve ART --index INDEX` for the vector of a query, the best documents, and a context. Prints the JSON of each answer.
#
#   Samples/curl.sh "how do statins work" [http://127.0.0.1:8080]           MAFIN_KEY: the service's key, if it has keys
set -euo pipefail
url=${2:-http://127.0.0.1:8080}
query=$(python3 -c 'import json, sys; print(json.dumps(sys.argv[1]))' "${1:?what do you want to know?}")

ask() { # PATH JSON
    curl --silent --show-error --fail-with-body "$url$1" -H "content-type: application/json" \
        ${MAFIN_KEY:+-H "authorization: Bearer $MAFIN_KEY"} --data "$2"
    echo
}

# The name of the artefact, with ":query" or ":document" for the side of the texts.
model=$(curl --silent --show-error --fail "$url/v1/models" ${MAFIN_KEY:+-H "authorization: Bearer $MAFIN_KEY"} \
    | python3 -c 'import json, sys; print(json.load(sys.stdin)["data"][0]["id"])')
ask /v1/embeddings "{\"model\": \"$model:query\", \"input\": $query}"
ask /search "{\"query\": $query, \"top\": 3}"
ask /v1/context "{\"query\": $query, \"max_tokens\": 200}"
