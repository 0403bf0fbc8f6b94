import Foundation
import MafinTestSupport
import Synchronization

@testable import MafinProviders

/// A server with OpenAI's batch API: it takes files and batches, answers after some polls, and can misbehave at each
/// step.
final class BatchServer: Sendable {
    struct Batch {
        var id: String
        var file: String
        var tag: String
        var endpoint: String
        var polls = 0
        var isCancelled = false
    }

    private struct State {
        var files: [String: String] = [:]
        var batches: [Batch] = []
        var paid: [String] = []
        var requests: [String] = []
        /// The number of later batches that other users of the account have begun.
        var others = 0
    }

    /// What happens to a batch.
    struct Course: Sendable {
        /// The number of polls until the batch has ended.
        var polls = 1
        /// The final status.
        var end = "completed"
        /// The lines that are answered; nil: all. The other lines expire with the batch.
        var answered: (@Sendable (Int) -> Bool)?
        /// The lines that fail because the server was overloaded.
        var overloads: (@Sendable (Int) -> Bool)?
        /// The message and the code of a failure before any line is answered.
        var objection: (message: String, code: String)?
        /// Whether the answer to the request that begins the batch is lost: before the batch has begun, or after.
        var losesBegin: Bool?
    }

    private let state: Shared
    private let stub: StubHTTPServer

    private final class Shared: Sendable {
        let value = Mutex(State())
    }

    var url: String { stub.url + "/v1" }
    /// The texts or prompts that were answered, in batches and in single requests.
    var paid: [String] { state.value.withLock { $0.paid } }
    /// `METHOD /path` of all requests.
    var requests: [String] { state.value.withLock { $0.requests } }
    var batches: [Batch] { state.value.withLock { $0.batches } }

    /// - Parameters:
    ///   - course: what happens to the batch with the given number, counted from 0.
    ///   - refuses: whether the line of a text is refused.
    ///   - others: the number of later batches of other users of the account.
    init(
        course: @escaping @Sendable (Int) -> Course = { _ in Course() },
        refuses: @escaping @Sendable (String) -> Bool = { _ in false }, others: Int = 0
    ) throws {
        let shared = Shared()
        shared.value.withLock { $0.others = others }
        state = shared
        stub = try StubHTTPServer { request in
            shared.value.withLock { state in
                state.requests.append("\(request.method) \(request.target)")
                return Self.answer(request, &state, course, refuses)
            }
        }
    }

    func stop() { stub.stop() }

    private static func answer(
        _ request: StubHTTPServer.Request, _ state: inout State, _ course: (Int) -> Course, _ refuses: (String) -> Bool
    ) -> StubHTTPServer.Response {
        let parts = request.target.split(separator: "?")[0].split(separator: "/").map(String.init).dropFirst()  // v1
        switch (request.method, Array(parts)) {
        case ("POST", ["files"]):
            let id = "file-\(state.files.count)"
            state.files[id] = upload(request.body)
            return .text(#"{"id":"\#(id)","object":"file"}"#)
        case ("POST", ["batches"]):
            guard let json = request.json, let file = json["input_file_id"] as? String, state.files[file] != nil else {
                return .text(#"{"error":{"message":"no such file"}}"#, status: 400)
            }
            let loses = course(state.batches.count).losesBegin
            if loses == false { return StubHTTPServer.Response(delivery: .hangUp) }
            let tag = (json["metadata"] as? [String: String])?.values.first ?? ""
            let batch = Batch(
                id: "batch-\(state.batches.count)", file: file, tag: tag, endpoint: json["endpoint"] as? String ?? "")
            state.batches.append(batch)
            if loses == true { return StubHTTPServer.Response(delivery: .hangUp) }
            return .text(describe(batch, "validating"))
        case ("GET", ["batches"]):
            let all =
                (0..<state.others).map { Batch(id: "other-\($0)", file: "", tag: "", endpoint: "") }
                + state.batches.reversed()
            let after = request.target.firstMatch(of: #/after=([^&]+)/#).map { String($0.1) }
            let left = all[(all.firstIndex { $0.id == after }.map { $0 + 1 } ?? 0)...]
            let page = left.prefix(100).map { describe($0, "in_progress") }.joined(separator: ",")
            return .text(#"{"data":[\#(page)],"has_more":\#(left.count > 100)}"#)
        case ("GET", let path) where path.count == 2 && path[0] == "batches":
            guard let index = state.batches.firstIndex(where: { $0.id == path[1] }) else { break }
            state.batches[index].polls += 1
            let (batch, course) = (state.batches[index], course(index))
            guard batch.polls >= course.polls || batch.isCancelled else { return .text(describe(batch, "in_progress")) }
            if let objection = course.objection {
                return .text(
                    #"{"id":"\#(batch.id)","status":"failed","metadata":{"mafin_job":"\#(batch.tag)"},"output_file_id":null,"error_file_id":null,"request_counts":{"total":0,"completed":0,"failed":0},"errors":{"object":"list","data":[{"code":"\#(objection.code)","message":"\#(objection.message)","param":null,"line":null}]}}"#
                )
            }
            if state.files["out-\(batch.id)"] == nil { run(batch, course, &state, refuses) }
            return .text(describe(batch, batch.isCancelled ? "cancelled" : course.end, hasFiles: true))
        case ("POST", let path) where path.count == 3 && path[2] == "cancel":
            guard let index = state.batches.firstIndex(where: { $0.id == path[1] }) else { break }
            state.batches[index].isCancelled = true
            return .text(describe(state.batches[index], "cancelling"))
        case ("GET", let path) where path.count == 3 && path[2] == "content":
            guard let content = state.files[path[1]] else { break }
            return .text(content)
        case ("POST", ["embeddings"]):
            let texts = request.json?["input"] as? [String] ?? []
            if texts.contains(where: refuses) {
                return .text(#"{"error":{"message":"cannot embed this"}}"#, status: 400)
            }
            state.paid += texts
            return .text(EmbeddingServer.answer(texts, base64: true))
        default: break
        }
        return .text(#"{"error":{"message":"no \#(request.target)"}}"#, status: 404)
    }

    private static func describe(_ batch: Batch, _ status: String, hasFiles: Bool = false) -> String {
        let files = hasFiles ? #","output_file_id":"out-\#(batch.id)","error_file_id":"err-\#(batch.id)""# : ""
        return
            #"{"id":"\#(batch.id)","status":"\#(status)","metadata":{"mafin_job":"\#(batch.tag)"},"request_counts":{"total":3,"completed":2,"failed":1}\#(files)}"#
    }

    /// The file in a form.
    private static func upload(_ body: [UInt8]) -> String {
        let text = String(decoding: body, as: UTF8.self)
        guard let start = text.range(of: "application/jsonl\r\n\r\n"),
            let end = text.range(of: "\r\n--mafin-", options: .backwards)
        else {
            return ""
        }
        return String(text[start.upperBound..<end.lowerBound])
    }

    /// Answers the lines of a batch, last line first.
    private static func run(_ batch: Batch, _ course: Course, _ state: inout State, _ refuses: (String) -> Bool) {
        var (output, errors): ([String], [String]) = ([], [])
        for (number, line) in (state.files[batch.file] ?? "").split(separator: "\n").enumerated() {
            guard let object = (try? JSONSerialization.jsonObject(with: Data(line.utf8))) as? [String: Any],
                let id = object["custom_id"] as? String, let body = object["body"] as? [String: Any]
            else { continue }
            guard course.answered?(number) ?? true else {
                errors.append(
                    #"{"id":"r","custom_id":"\#(id)","response":null,"error":{"code":"batch_expired","message":"This request could not be executed before the completion window expired."}}"#
                )
                continue
            }
            if course.overloads?(number) ?? false {
                errors.append(
                    #"{"id":"r","custom_id":"\#(id)","response":{"status_code":\#(number % 2 == 0 ? 429 : 503),"request_id":"q","body":{"error":{"message":"overloaded"}}},"error":null}"#
                )
                continue
            }
            let texts =
                body["input"] as? [String] ?? [
                    ((body["messages"] as? [[String: Any]])?.last?["content"] as? String) ?? ""
                ]
            if texts.contains(where: refuses) {
                errors.append(
                    #"{"custom_id":"\#(id)","response":{"status_code":400,"body":{"error":{"message":"cannot embed this"}}}}"#
                )
                continue
            }
            state.paid += texts
            let answer =
                batch.endpoint.hasSuffix("embeddings")
                ? EmbeddingServer.answer(texts, base64: true) : ChatServer.answer(.openAI, "reply to \(texts[0])")
            output.append(
                #"{"id":"r","custom_id":"\#(id)","response":{"status_code":200,"request_id":"q","body":\#(answer)},"error":null}"#
            )
        }
        state.files["out-\(batch.id)"] = output.reversed().joined(separator: "\n")
        state.files["err-\(batch.id)"] = errors.joined(separator: "\n") + "\n"
    }
}
