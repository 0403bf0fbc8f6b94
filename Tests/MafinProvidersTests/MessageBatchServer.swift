import Foundation
import MafinTestSupport
import Synchronization

@testable import MafinProviders

/// A server with Anthropic's message batches: the requests are in the body that begins the batch, and a batch has no
/// field that tells who began it.
final class MessageBatchServer: Sendable {
    /// What happens to a batch.
    struct Course: Sendable {
        /// The number of polls until the batch has ended.
        var polls = 1
        /// The result type of a prompt's line; nil: it is answered.
        var result: (@Sendable (String) -> String?)?
        /// Whether the answer to the request that begins the batch is lost: before the batch has begun, or after.
        var losesBegin: Bool?
    }

    /// One request of a batch.
    struct Line {
        /// Its `custom_id`.
        var name: String
        var prompt: String
    }

    struct Batch {
        var id: String
        var lines: [Line]
        var polls = 0
    }

    private struct State {
        var batches: [Batch] = []
        var paid: [String] = []
        /// The batches whose results have been read.
        var read: Set<String> = []
        var requests: [StubHTTPServer.Request] = []
    }

    private final class Shared: Sendable {
        let value = Mutex(State())
    }

    private let state: Shared
    private let stub: StubHTTPServer

    var url: String { stub.url + "/v1" }
    /// The answered prompts.
    var paid: [String] { state.value.withLock { $0.paid } }
    var batches: Int { state.value.withLock { $0.batches.count } }
    /// `METHOD /path` of all requests.
    var requests: [String] { state.value.withLock { $0.requests.map { "\($0.method) \($0.target)" } } }
    /// The names of the lines of all batches.
    var names: [String] {
        state.value.withLock { $0.batches.flatMap(\.lines).map(\.name) }
    }
    /// Whether all requests had the key and the version.
    var isAuthorised: Bool {
        state.value.withLock { state in
            state.requests.allSatisfy {
                $0.headers["x-api-key"] == Dialect.key && $0.headers["anthropic-version"] == "2023-06-01"
            }
        }
    }

    /// - Parameters:
    ///   - foreign: the requests of a finished batch that another client began.
    ///   - course: what happens to the batch with the given number, counted from 0.
    init(foreign: Int = 0, course: @escaping @Sendable (Int) -> Course = { _ in Course() }) throws {
        let shared = Shared()
        state = shared
        if foreign > 0 {
            let lines = (0..<foreign).map { Line(name: "theirs-\($0)", prompt: "x") }
            shared.value.withLock { $0.batches.append(Batch(id: "msgbatch_theirs", lines: lines)) }
        }
        stub = try StubHTTPServer { request in
            shared.value.withLock { state in
                state.requests.append(request)
                return Self.answer(request, &state, course)
            }
        }
    }

    func stop() { stub.stop() }

    private static func answer(
        _ request: StubHTTPServer.Request, _ state: inout State, _ course: (Int) -> Course
    ) -> StubHTTPServer.Response {
        let parts = request.target.split(separator: "?")[0].split(separator: "/").map(String.init)
        guard parts.prefix(3) == ["v1", "messages", "batches"] else {
            return .text(#"{"type":"error","error":{"type":"not_found_error","message":"no such path"}}"#, status: 404)
        }
        let own = state.batches.filter { $0.id != "msgbatch_theirs" }.count
        switch (request.method, Array(parts.dropFirst(3))) {
        case ("POST", []):
            guard let requests = request.json?["requests"] as? [[String: Any]], !requests.isEmpty else {
                return .text(
                    #"{"type":"error","error":{"type":"invalid_request_error","message":"requests: field required"}}"#,
                    status: 400)
            }
            let loses = course(own).losesBegin
            if loses == false { return StubHTTPServer.Response(delivery: .hangUp) }
            state.batches.append(Batch(id: "msgbatch_\(own)", lines: requests.map(line)))
            if loses == true { return StubHTTPServer.Response(delivery: .hangUp) }
            return .text(describe(state.batches[state.batches.count - 1], isEnded: false))
        case ("GET", []):
            for index in state.batches.indices { state.batches[index].polls += 1 }
            let all = state.batches.reversed().map { describe($0, isEnded: isEnded($0, course)) }
            return .text(#"{"data":[\#(all.joined(separator: ","))],"has_more":false}"#)
        case ("GET", let path) where path.count == 1:
            guard let index = state.batches.firstIndex(where: { $0.id == path[0] }) else { break }
            state.batches[index].polls += 1
            return .text(describe(state.batches[index], isEnded: isEnded(state.batches[index], course)))
        case ("GET", let path) where path.count == 2 && path[1] == "results":
            guard let batch = state.batches.first(where: { $0.id == path[0] }) else { break }
            return .text(results(batch, course(Int(batch.id.dropFirst(9)) ?? 0), &state))
        default: break
        }
        return .text(#"{"type":"error","error":{"type":"not_found_error","message":"no such batch"}}"#, status: 404)
    }

    private static func line(_ request: [String: Any]) -> Line {
        let messages = (request["params"] as? [String: Any])?["messages"] as? [[String: Any]]
        return Line(
            name: request["custom_id"] as? String ?? "", prompt: messages?.last?["content"] as? String ?? "")
    }

    private static func isEnded(_ batch: Batch, _ course: (Int) -> Course) -> Bool {
        Int(batch.id.dropFirst(9)).map { batch.polls >= course($0).polls } ?? true
    }

    private static func describe(_ batch: Batch, isEnded: Bool) -> String {
        let count = batch.lines.count
        let counts =
            isEnded
            ? #""processing":0,"succeeded":\#(count),"errored":0,"canceled":0,"expired":0"#
            : #""processing":\#(count),"succeeded":0,"errored":0,"canceled":0,"expired":0"#
        // The vendor's own address, which is not that of a gateway in between.
        let results = isEnded ? #""https://elsewhere.invalid/v1/messages/batches/\#(batch.id)/results""# : "null"
        let created = Date().formatted(.iso8601.time(includingFractionalSeconds: true))
        return
            #"{"id":"\#(batch.id)","type":"message_batch","processing_status":"\#(isEnded ? "ended" : "in_progress")","request_counts":{\#(counts)},"created_at":"\#(created)","results_url":\#(results)}"#
    }

    /// The results, the last line first.
    private static func results(_ batch: Batch, _ course: Course, _ state: inout State) -> String {
        var lines: [String] = []
        let isRead = !state.read.insert(batch.id).inserted
        for line in batch.lines.reversed() {
            let (name, prompt) = (line.name, line.prompt)
            switch batch.id == "msgbatch_theirs" ? nil : course.result?(prompt) {
            case nil:
                if batch.id != "msgbatch_theirs", !isRead { state.paid.append(prompt) }
                lines.append(
                    #"{"custom_id":"\#(name)","result":{"type":"succeeded","message":\#(ChatServer.answer(.anthropic, "reply to \(prompt)"))}}"#
                )
            case .some(let type) where ["expired", "canceled"].contains(type):
                lines.append(#"{"custom_id":"\#(name)","result":{"type":"\#(type)"}}"#)
            case .some(let type):
                lines.append(
                    #"{"custom_id":"\#(name)","result":{"type":"errored","error":{"type":"error","error":{"type":"\#(type)","message":"said of \#(prompt)"}}}}"#
                )
            }
        }
        return lines.joined(separator: "\n")
    }
}
