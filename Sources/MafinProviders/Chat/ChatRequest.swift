import Foundation
import MafinGeneration
import NIOCore

/// Which fields a chat server supports. A field that it has refused is not sent again.
struct ChatAbilities: Sendable, Equatable {
    /// The ways to request a structured reply, the strictest first.
    enum Structure: Int, Sendable {
        case schema, json, none
    }

    var structure = Structure.schema
    var hasTemperature = true
    var hasSeed = true
    /// Whether the limit on a reply's tokens is named `max_completion_tokens`, and not `max_tokens`.
    var hasNewBound = true

    /// Drops the field that a refusal complains about.
    /// - Returns: whether there was a field to drop.
    mutating func stepBack(from complaint: String) -> Bool {
        let words = complaint.lowercased()
        func drop(_ ability: WritableKeyPath<ChatAbilities, Bool>, _ any: String) -> Bool {
            guard self[keyPath: ability], words.contains(any) else { return false }
            self[keyPath: ability] = false
            return true
        }
        if drop(\.hasNewBound, "max_completion_tokens") || drop(\.hasTemperature, "temperature") { return true }
        let structureWords = [
            "response_format", "json_schema", "json_object", "structured output", "output_config", "'format'",
            "\"format\"",
        ]
        if structure != .none, structureWords.contains(where: words.contains) {
            structure = Structure(rawValue: structure.rawValue + 1) ?? .none
            return true
        }
        return drop(\.hasSeed, "seed")
    }
}

/// The bodies of chat requests and answers, dialect by dialect.
struct ChatRequest {
    let dialect: ChatForm.Dialect
    let model: String

    /// The body for a prompt.
    func body(_ prompt: LanguagePrompt, _ abilities: ChatAbilities) -> ByteBuffer {
        let object: [String: Any] =
            switch dialect {
            case .openAI: openAI(prompt, abilities)
            case .anthropic: anthropic(prompt, abilities)
            case .ollama: ollama(prompt, abilities)
            }
        // It holds only text and numbers, so encoding never fails.
        let data =
            (try? JSONSerialization.data(withJSONObject: object, options: [.sortedKeys, .withoutEscapingSlashes]))
            ?? Data()
        return ByteBuffer(bytes: data)
    }

    private func messages(_ prompt: LanguagePrompt, hasSystem: Bool = true) -> [[String: Any]] {
        let system: [[String: Any]] =
            prompt.system.isEmpty || !hasSystem ? [] : [["role": "system", "content": prompt.system]]
        return system + [["role": "user", "content": prompt.user]]
    }

    private static func object(_ schema: String?) -> Any? {
        schema.flatMap { try? JSONSerialization.jsonObject(with: Data($0.utf8)) }
    }

    private func openAI(_ prompt: LanguagePrompt, _ abilities: ChatAbilities) -> [String: Any] {
        var body: [String: Any] = [
            "model": model, "messages": messages(prompt),
            (abilities.hasNewBound ? "max_completion_tokens" : "max_tokens"): prompt.maximumTokens,
        ]
        if abilities.hasTemperature, let temperature = prompt.temperature { body["temperature"] = temperature }
        if abilities.hasSeed { body["seed"] = Int(prompt.seed & 0x7FFF_FFFF) }
        if let schema = Self.object(prompt.schema) {
            switch abilities.structure {
            case .schema:
                body["response_format"] = [
                    "type": "json_schema",
                    "json_schema": ["name": prompt.schemaName, "strict": true, "schema": schema],
                ]
            case .json: body["response_format"] = ["type": "json_object"]
            case .none: break
            }
        }
        return body
    }

    /// Anthropic's older models do not support structured output. The prompt itself asks for JSON.
    private func anthropic(_ prompt: LanguagePrompt, _ abilities: ChatAbilities) -> [String: Any] {
        var body: [String: Any] = [
            "model": model, "max_tokens": prompt.maximumTokens, "messages": messages(prompt, hasSystem: false),
        ]
        if !prompt.system.isEmpty { body["system"] = prompt.system }
        if abilities.hasTemperature, let temperature = prompt.temperature { body["temperature"] = min(1, temperature) }
        return body
    }

    private func ollama(_ prompt: LanguagePrompt, _ abilities: ChatAbilities) -> [String: Any] {
        // By default Ollama's context is at most 4,096 tokens, and longer prompts are cut without an error.
        let length = ChatModel.estimatedTokens(of: prompt)
        var options: [String: Any] = [
            "num_predict": prompt.maximumTokens, "num_ctx": max(2048, length + prompt.maximumTokens),
            "seed": Int(prompt.seed & 0x7FFF_FFFF),
        ]
        if abilities.hasTemperature, let temperature = prompt.temperature { options["temperature"] = temperature }
        var body: [String: Any] = [
            "model": model, "messages": messages(prompt), "stream": false, "think": false, "options": options,
        ]
        if let schema = Self.object(prompt.schema) {
            switch abilities.structure {
            case .schema: body["format"] = schema
            case .json: body["format"] = "json"
            case .none: break
            }
        }
        return body
    }

    /// Reads the reply from an answer in any of the dialects; nil if there is none.
    static func reply(in body: some Collection<UInt8>) -> LanguageReply? {
        guard let object = (try? JSONSerialization.jsonObject(with: Data(body))) as? [String: Any] else { return nil }
        let usage = object["usage"] as? [String: Any] ?? [:]
        let choice = (object["choices"] as? [[String: Any]])?.first
        let message = choice?["message"] as? [String: Any] ?? object["message"] as? [String: Any]
        let text = choice?["text"] as? String ?? text(message?["content"] ?? object["content"])
        let reason =
            (choice?["finish_reason"] ?? object["stop_reason"] ?? object["done_reason"]) as? String ?? ""
        let refusal = message?["refusal"] as? String
        guard text != nil || refusal != nil || choice != nil else { return nil }
        var reply = LanguageReply(
            text: text ?? "", isCutOff: ["length", "max_tokens"].contains(reason),
            inputTokens: usage["prompt_tokens"] as? Int ?? usage["input_tokens"] as? Int ?? object["prompt_eval_count"]
                as? Int,
            outputTokens: usage["completion_tokens"] as? Int ?? usage["output_tokens"] as? Int ?? object["eval_count"]
                as? Int)
        if let refusal, !refusal.isEmpty { reply.refusal = refusal }
        if ["content_filter", "refusal"].contains(reason) { reply.refusal = reply.refusal ?? reason }
        return reply
    }

    /// Reads content that is a string, or a list of parts. Only parts of type `text` are used.
    private static func text(_ content: Any?) -> String? {
        if let text = content as? String { return text }
        guard let parts = content as? [[String: Any]] else { return nil }
        return parts.compactMap { ($0["type"] as? String ?? "text") == "text" ? $0["text"] as? String : nil }.joined()
    }
}
