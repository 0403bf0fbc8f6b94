// Asks a running `mafin serve ART --index INDEX` for a vector and for the best documents. Needs Node 18 and no package.
//
//   node Samples/node.mjs "how do statins work" [http://127.0.0.1:8080]      MAFIN_KEY: the service's key, if it has keys
const [query, url = "http://127.0.0.1:8080"] = process.argv.slice(2);
const headers = { "content-type": "application/json" };
if (process.env.MAFIN_KEY) headers.authorization = `Bearer ${process.env.MAFIN_KEY}`;

async function ask(path, body) {
  const answer = await fetch(url + path, { method: body ? "POST" : "GET", headers, body: body && JSON.stringify(body) });
  const json = await answer.json();
  if (!answer.ok) throw new Error(json.error?.message ?? `status ${answer.status}`);
  return json;
}

const model = (await ask("/v1/models")).data[0].id;
const vectors = await ask("/v1/embeddings", { model: `${model}:query`, input: query });
console.log(`${vectors.data[0].embedding.length} numbers`);
for (const hit of (await ask("/search", { query, top: 3 })).results) {
  const parts = hit.parts.map(({ source, part }) => `${source} ${part.toFixed(3)}`).join(", ");
  console.log(`${hit.score.toFixed(4)}  ${hit.id}  (${parts})`);
}
