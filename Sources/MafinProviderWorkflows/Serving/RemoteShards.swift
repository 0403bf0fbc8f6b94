import Foundation
import HTTPTypes
import MafinProviders
import MafinServer

/// Services over HTTP that each search a part of the documents.
package struct RemoteShards: SearchShards {
    /// The variable of the key that the shards want.
    package static let keyVariable = "MAFIN_SHARDS_KEY"

    private let addresses: [String]
    private let client: JSONClient

    /// - Parameter addresses: such as `http://10.0.0.5:8080`, in the order of their documents.
    /// - Throws: `ProviderError` for a malformed proxy.
    package init(
        _ addresses: [String], timeout: Duration,
        environment: [String: String] = ProcessInfo.processInfo.environment
    ) throws {
        self.addresses = addresses.map { $0.hasSuffix("/") ? String($0.dropLast()) : $0 }
        let key = environment[Self.keyVariable].flatMap { $0.isEmpty ? nil : $0 }
        client = try JSONClient(key: key, timeout: timeout)
    }

    package func answers(to body: Data) async throws -> [Data] {
        try await withThrowingTaskGroup(of: (Int, Data).self) { group in
            for number in addresses.indices {
                group.addTask { (number, try await ask(number, "/search", body).body) }
            }
            var answers = [Data](repeating: Data(), count: addresses.count)
            for try await (number, answer) in group { answers[number] = answer }
            return answers
        }
    }

    package func document(_ id: String) async throws -> Data? {
        guard let name = id.addingPercentEncoding(withAllowedCharacters: .alphanumerics) else { return nil }
        return try await withThrowingTaskGroup(of: Data?.self) { group in
            for number in addresses.indices {
                group.addTask {
                    let answer = try await ask(number, "/document?id=\(name)", nil, missing: 404)
                    return answer.status == 404 ? nil : answer.body
                }
            }
            for try await answer in group {
                guard let answer else { continue }
                group.cancelAll()
                return answer
            }
            return nil
        }
    }

    /// - Parameter missing: a status that is no fault.
    private func ask(
        _ number: Int, _ path: String, _ body: Data?, missing: Int? = nil
    ) async throws -> (status: Int, body: Data) {
        let answer: (status: Int, body: Data)
        do {
            answer = try await client.send(addresses[number] + path, body: body)
        } catch let failure as JSONClient.Failure {
            throw ServiceError(
                .serviceUnavailable, .upstream, "shard \(number) does not answer: \(failure)",
                code: "shard_unavailable",
                retryAfter: 1)
        }
        if answer.status == 200 || answer.status == missing { return answer }
        // What is wrong with the request is wrong everywhere, and the shard says it best.
        let said = (try? JSONDecoder().decode(Complaint.self, from: answer.body))?.error
        let message = said?.message ?? "no reason given"
        if answer.status == 409, said?.code == ServiceError.refusedChoice {
            // This service said whether to ask, and not its client.
            throw ServiceError(
                .badGateway, .upstream,
                "shard \(number): \(message). Shards need the same --ask-below, --offline and --degrade as this service",
                code: "shards_differ")
        }
        switch answer.status {
        case 400, 409, 422:
            throw ServiceError(
                .init(code: answer.status), .invalidRequest, message, parameter: said?.param, code: said?.code)
        case 429, 503, 504:
            throw ServiceError(
                .serviceUnavailable, .upstream, "shard \(number): \(message)", code: "shard_unavailable", retryAfter: 1)
        default:
            throw ServiceError(
                .badGateway, .upstream, "shard \(number) answered with status \(answer.status): \(message)",
                code: "shard_failed")
        }
    }

    private struct Complaint: Decodable {
        struct Fields: Decodable {
            var message: String
            var param: String?
            var code: String?
        }

        var error: Fields
    }
}
