import Foundation

/// Reads a model's reply in any of its usual forms: the JSON asked for, JSON with other names or inside other text, JSON that was cut off, a
/// list, or one query per line.
enum ReplyReading {
    /// The queries of a reply, each with the style that the model names for it; empty if there are none.
    static func queries(in reply: String) -> [(style: QueryStyle?, text: String)] {
        let text = withoutThoughts(reply)
        if let value = json(in: text) { return queries(of: value) }
        // This is JSON that was cut off. Its complete members are used.
        if let start = text.firstIndex(of: "{"), text[start...].contains("\"text\"") {
            return cutQueries(text[start...])
        }
        return lines(text)
    }

    /// The grades of a reply; nil if there are none.
    static func grades(in reply: String) -> [Int]? {
        let text = withoutThoughts(reply)
        if let value = json(in: text) {
            let list = (value as? [String: Any])?.values.compactMap { $0 as? [Any] }.first ?? value as? [Any]
            if let list {
                return list.map { element in
                    (element as? NSNumber)?.intValue ?? (element as? String).flatMap { Int($0) }
                        ?? ((element as? [String: Any])?["grade"] as? NSNumber)?.intValue ?? -1
                }
            }
        }
        let numbers = text.split { !$0.isNumber }.compactMap { Int($0) }
        return numbers.isEmpty ? nil : numbers
    }

    /// The reply without the thoughts of a reasoning model.
    private static func withoutThoughts(_ reply: String) -> String {
        var text = reply
        for tag in ["think", "thinking", "reasoning"] {
            while let start = text.range(of: "<\(tag)>"),
                let end = text.range(of: "</\(tag)>", range: start.upperBound..<text.endIndex)
            {
                text.removeSubrange(start.lowerBound..<end.upperBound)
            }
            // The server has removed the opening tag.
            if let end = text.range(of: "</\(tag)>") { text.removeSubrange(text.startIndex..<end.upperBound) }
        }
        return text.trimmed
    }

    /// The first complete JSON object or array in a text; nil if there is none.
    private static func json(in text: String) -> Any? {
        if let whole = try? JSONSerialization.jsonObject(with: Data(text.utf8)) { return whole }
        let bytes = Array(text.utf8)
        var position = 0
        while let start = bytes[position...].firstIndex(where: { $0 == UInt8(ascii: "{") || $0 == UInt8(ascii: "[") }) {
            guard let end = end(of: bytes, from: start) else {
                if bytes[start] == UInt8(ascii: "{") { return nil }  // cut off: its complete members are read elsewhere
                position = start + 1
                continue
            }
            if let value = try? JSONSerialization.jsonObject(with: Data(bytes[start...end])), isWanted(value) {
                return value
            }
            position = start + 1
        }
        return nil
    }

    /// Whether JSON can be an answer. Ordinary prose can contain brackets too: `[]`, `{name}`.
    private static func isWanted(_ value: Any) -> Bool {
        if let object = value as? [String: Any] { return object.values.contains { $0 is [Any] || $0 is String } }
        return (value as? [Any])?.contains { $0 is String || $0 is [String: Any] || $0 is NSNumber } ?? false
    }

    /// The index of the bracket that closes the one at `start`; nil if it is missing.
    private static func end(of bytes: [UInt8], from start: Int) -> Int? {
        var depth = 0
        var isInString = false
        var isEscaped = false
        for index in start..<bytes.count {
            let byte = bytes[index]
            if isEscaped {
                isEscaped = false
            } else if isInString {
                if byte == UInt8(ascii: "\\") { isEscaped = true }
                if byte == UInt8(ascii: "\"") { isInString = false }
            } else {
                switch byte {
                case UInt8(ascii: "\""): isInString = true
                case UInt8(ascii: "{"), UInt8(ascii: "["): depth += 1
                case UInt8(ascii: "}"), UInt8(ascii: "]"):
                    depth -= 1
                    if depth == 0 { return index }
                default: break
                }
            }
        }
        return nil
    }

    private static func queries(of value: Any) -> [(style: QueryStyle?, text: String)] {
        if let text = value as? String { return [(nil, text)] }
        if let list = value as? [Any] { return list.flatMap(queries) }
        guard let object = value as? [String: Any] else { return [] }
        let style = (object["style"] ?? object["type"]).flatMap { $0 as? String }.flatMap {
            QueryStyle(rawValue: $0.lowercased())
        }
        for name in ["text", "query", "search", "question"] {
            if let text = object[name] as? String { return [(style, text)] }
        }
        // {"queries": […]}, or {"question": ["…"], "keywords": ["…"]}.
        return object.sorted { $0.key < $1.key }.flatMap { key, element -> [(style: QueryStyle?, text: String)] in
            guard element is [Any] || element is [String: Any] || QueryStyle(rawValue: key) != nil else { return [] }
            return queries(of: element).map { ($0.style ?? QueryStyle(rawValue: key), $0.text) }
        }
    }

    /// Complete `"text": "…"` members of JSON whose end is missing.
    private static func cutQueries(_ text: Substring) -> [(style: QueryStyle?, text: String)] {
        let member = /"text"\s*:\s*("(?:[^"\\]|\\.)*")/
        return text.matches(of: member).compactMap { match in
            let decoded = try? JSONSerialization.jsonObject(with: Data(match.1.utf8), options: .fragmentsAllowed)
            return (decoded as? String).map { (nil, $0) }
        }
    }

    /// One query per line, without bullets, numbers and quotation marks. Lines that introduce a list are left out.
    private static func lines(_ text: String) -> [(style: QueryStyle?, text: String)] {
        text.split(whereSeparator: \.isNewline).compactMap { line -> (style: QueryStyle?, text: String)? in
            var rest = String(line).trimmed[...]
            if rest.hasPrefix("```") || rest.hasSuffix(":") { return nil }
            if let bullet = rest.prefixMatch(of: /(?:[-*•]|\(?[0-9]{1,2}[.):])\s*/) {
                rest = rest[bullet.range.upperBound...]
            }
            var style: QueryStyle?
            if let label = rest.prefixMatch(of: /\**"?(question|keywords|situation)"?\**\s*[:\-–]\s*/.ignoresCase()) {
                style = QueryStyle(rawValue: label.1.lowercased())
                rest = rest[label.range.upperBound...]
            }
            let marks: Set<Character> = ["\"", "“", "”", "„", "«", "»", "*", "`"]
            while let first = rest.first, marks.contains(first) { rest.removeFirst() }
            while let last = rest.last, marks.contains(last) { rest.removeLast() }
            let query = String(rest).trimmed
            return query.isEmpty ? nil : (style, query)
        }
    }
}
