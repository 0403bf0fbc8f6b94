/// A step of the normalizer of a Unigram or BPE tokenizer.
enum NormalizationStep: Sendable {
    case precompiled(PrecompiledStep)
    case sentencePiece(SentencePieceNormalizer)
    case form(UnicodeForm)
    case lowercase
    /// Removes white space at the ends.
    case strip(left: Bool, right: Bool)
    /// Replaces each occurrence of some bytes, which are not empty.
    case replace([UInt8], with: [UInt8])
    /// Replaces runs of two or more spaces: the expression `" {2,}"`.
    case replaceSpaces(with: [UInt8])
    /// Puts bytes in front of a text that is not empty.
    case prepend([UInt8])
}

/// The normalizer of a Unigram or BPE tokenizer.
struct TextNormalizer: Sendable {
    var steps: [NormalizationStep] = []

    /// The normalized form of a text, which lies in the text itself or in one of two buffers.
    func normalize(_ text: ByteView, _ first: inout ByteBuffer, _ second: inout ByteBuffer) -> ByteView {
        var current = text
        var isFirst = true
        for step in steps {
            if case .strip(let left, let right) = step {
                current = stripped(current, left: left, right: right)
                continue
            }
            // The last result is in the other buffer, if it is in one.
            let isWritten = isFirst ? write(step, current, to: &first) : write(step, current, to: &second)
            if isWritten {
                current = isFirst ? first.view : second.view
                isFirst.toggle()
            }
        }
        return current
    }

    /// The normalized form of the content of an added token.
    func normalized(_ text: String) -> [UInt8] {
        var text = text
        var first = ByteBuffer(tracksSources: false)
        var second = ByteBuffer(tracksSources: false)
        return text.withUTF8 { bytes in
            guard let start = bytes.baseAddress else { return [] }
            return Array(normalize(ByteView(bytes: start, count: bytes.count), &first, &second).buffer)
        }
    }

    /// - Returns: `false` if the step leaves the text as it is. What was written is of no use then.
    private func write(_ step: NormalizationStep, _ input: ByteView, to output: inout ByteBuffer) -> Bool {
        output.count = 0
        if input.isEmpty { return false }
        switch step {
        case .precompiled(let precompiled): precompiled.write(input, to: &output)
        case .sentencePiece(let normalizer): normalizer.write(input, to: &output)
        case .form(let form): return form.write(input, to: &output)
        case .lowercase: return lowercase(input, to: &output)
        case .strip: return false
        case .replace(let pattern, let content):
            return replace(input, with: content, to: &output) { position in
                guard input.bytes[position] == pattern[0], input.count - position >= pattern.count else { return 0 }
                for index in 1..<max(1, pattern.count) where input.bytes[position + index] != pattern[index] {
                    return 0
                }
                return pattern.count
            }
        case .replaceSpaces(let content):
            return replace(input, with: content, to: &output) { position in
                var end = position
                while end < input.count, input.bytes[end] == 0x20 { end += 1 }
                return end - position > 1 ? end - position : 0
            }
        case .prepend(let content):
            content.withUnsafeBufferPointer { output.append($0, replacing: 0..<0, of: input) }
            output.append(input, 0..<input.count)
        }
        return true
    }

    private func lowercase(_ input: ByteView, to output: inout ByteBuffer) -> Bool {
        let changes = (0..<input.count).contains {
            (0x41...0x5A).contains(input.bytes[$0]) || input.bytes[$0] >= 0x80
        }
        if !changes { return false }
        let unicode = UnicodeProperties.shared
        var position = 0
        while position < input.count {
            let byte = input.bytes[position]
            if byte < 0x80 {
                let isUpper = byte &- 0x41 < 26
                output.append(isUpper ? byte | 0x20 : byte, replacing: position..<position + 1, of: input)
                position &+= 1
                continue
            }
            let (scalar, width) = decodeScalar(input.bytes + position)
            let range = position..<position + width
            if unicode[scalar].contains(.lowercased) {
                unicode.forEachLowercase(of: scalar) {
                    for byte in encodedScalar($0) { output.append(byte, replacing: range, of: input) }
                }
            } else {
                output.append(input, range)
            }
            position = range.upperBound
        }
        return true
    }

    /// - Parameter length: the number of bytes to be replaced at a position.
    private func replace(
        _ input: ByteView, with content: [UInt8], to output: inout ByteBuffer, length: (Int) -> Int
    ) -> Bool {
        var written = 0
        var isChanged = false
        var position = 0
        while position < input.count {
            let count = length(position)
            if count == 0 {
                position &+= 1
                continue
            }
            isChanged = true
            output.append(input, written..<position)
            content.withUnsafeBufferPointer {
                output.append($0, replacing: position..<position + count, of: input)
            }
            position += count
            written = position
        }
        if isChanged { output.append(input, written..<input.count) }
        return isChanged
    }

    private func stripped(_ text: ByteView, left: Bool, right: Bool) -> ByteView {
        let unicode = UnicodeProperties.shared
        func isSpace(_ position: Int) -> Bool {
            unicode[decodeScalar(text.bytes + position).scalar].contains(.whitespace)
        }
        var start = 0
        var end = text.count
        while left, start < end, isSpace(start) { start += scalarWidth(text.bytes[start]) }
        while right, end > start {
            var last = end - 1
            while last > start, text.bytes[last] & 0xC0 == 0x80 { last -= 1 }
            guard isSpace(last) else { break }
            end = last
        }
        return text[start..<end]
    }
}
