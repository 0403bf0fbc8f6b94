import Foundation
import MafinBlackBox
import MafinGeneration
import MafinTestSupport
import Synchronization

@testable import MafinProviders

/// A chat server for each dialect that records what it answered. Its answer is "reply to <prompt>", unless it is told
/// to misbehave.
final class ChatServer: Sendable {
    static let key = "sk-very-secret-key"

    /// A request, parsed.
    struct Call {
        var request: StubHTTPServer.Request
        var json: [String: Any]
        /// The user's message.
        var prompt: String
        /// The number of earlier requests.
        var number: Int
    }

    let server: StubHTTPServer
    private let bill: Bill

    private final class Bill: Sendable {
        let prompts = Mutex<[String]>([])
    }

    /// The answered prompts, in order.
    var paid: [String] { bill.prompts.withLock { $0 } }
    var url: String { server.url }
    var requests: [StubHTTPServer.Request] { server.requests }

    /// - Parameter misbehave: another answer to a request; nil: the right one.
    init(
        _ dialect: ChatForm.Dialect = .openAI,
        misbehave: @escaping @Sendable (Call) -> StubHTTPServer.Response? = { _ in nil },
        text: @escaping @Sendable (String) -> String = { "reply to \($0)" }
    ) throws {
        let bill = Bill()
        self.bill = bill
        server = try StubHTTPServer { request in
            guard let json = request.json, let messages = json["messages"] as? [[String: Any]],
                let prompt = messages.last?["content"] as? String
            else { return .text(#"{"error":{"message":"no messages"}}"#, status: 400) }
            let call = Call(request: request, json: json, prompt: prompt, number: request.number)
            if let response = misbehave(call) { return response }
            bill.prompts.withLock { $0.append(prompt) }
            return .text(Self.answer(dialect, text(prompt)))
        }
    }

    func stop() { server.stop() }

    static func answer(_ dialect: ChatForm.Dialect, _ text: String, reason: String? = nil) -> String {
        let object: [String: Any] =
            switch dialect {
            case .openAI:
                [
                    "choices": [
                        [
                            "index": 0, "finish_reason": reason ?? "stop",
                            "message": ["role": "assistant", "content": text],
                        ]
                    ],
                    "usage": ["prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18],
                ]
            case .anthropic:
                [
                    "type": "message", "role": "assistant", "stop_reason": reason ?? "end_turn",
                    "content": [["type": "thinking", "thinking": "hm"], ["type": "text", "text": text]],
                    "usage": ["input_tokens": 11, "output_tokens": 7],
                ]
            case .ollama:
                [
                    "message": ["role": "assistant", "content": text], "done": true, "done_reason": reason ?? "stop",
                    "prompt_eval_count": 11, "eval_count": 7,
                ]
            }
        let data = (try? JSONSerialization.data(withJSONObject: object)) ?? Data()
        return String(decoding: data, as: UTF8.self)
    }

    /// A model that uses this server, with very short pauses between attempts.
    func model(
        _ provider: String = "openai", options given: ChatModel.Options = ChatModel.Options()
    ) throws -> ChatModel {
        var options = given
        options.retry.firstDelay = .milliseconds(2)
        options.retry.longestDelay = .milliseconds(20)
        return try ChatModel(
            ProfileCatalog.builtIn.profile(provider), model: "writer", baseURL: url, apiKey: try APIKey(Self.key),
            options: options,
            environment: [:])
    }
}

/// Prompts that contain their own number.
func prompts(_ texts: [String], schema: Bool = true) -> [LanguagePrompt] {
    texts.map {
        LanguagePrompt(
            system: "be brief", user: $0, schema: schema ? #"{"type":"object"}"# : nil, maximumTokens: 50,
            temperature: 0.7, seed: 3)
    }
}

extension LanguageModel {
    /// All replies, in the order of the prompts.
    func replies(_ prompts: [LanguagePrompt]) async throws -> [LanguageReply] {
        let collected = Mutex<[Int: LanguageReply]>([:])
        try await answer(prompts) { index, reply in collected.withLock { $0[index] = reply } }
        return collected.withLock { found in found.sorted { $0.key < $1.key }.map(\.value) }
    }
}
