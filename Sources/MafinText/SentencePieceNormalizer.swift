/// SentencePiece's own normalizer (`normalizer.cc`): the longest key of the map at each position is replaced, runs of
/// spaces become one, a space is put in front, and spaces become "▁".
struct SentencePieceNormalizer: Sendable {
    let map: CharacterMap?
    /// User-defined pieces, which stay as they are.
    let fixed: PatternTrie
    let addsDummyPrefix: Bool
    let removesExtraSpaces: Bool
    let escapesSpaces: Bool
    /// For each byte, whether it is an ASCII character other than the space that stays as it is if an ASCII character or
    /// nothing follows.
    private let isKept: [Bool]

    init(
        map: CharacterMap?, fixed: PatternTrie, addsDummyPrefix: Bool, removesExtraSpaces: Bool, escapesSpaces: Bool
    ) {
        self.map = map
        self.fixed = fixed
        self.addsDummyPrefix = addsDummyPrefix
        self.removesExtraSpaces = removesExtraSpaces
        self.escapesSpaces = escapesSpaces
        isKept = (0..<256).map { value in
            let byte = UInt8(value)
            guard byte < 0x80, byte != 0x20, !fixed.mayStart(with: byte) else { return false }
            guard let map else { return true }
            return withUnsafePointer(to: byte) { map.longest($0, 1) == nil }
                && !(0..<0x80).contains { map.hasKeys(beginning: byte, $0) }
        }
    }

    func write(_ input: ByteView, to output: inout ByteBuffer) {
        if input.isEmpty { return }
        if addsDummyPrefix { appendSpace(replacing: 0..<0, of: input, to: &output) }
        // Whether a space that comes now is left out.
        var isAfterSpace = removesExtraSpaces
        isKept.withUnsafeBufferPointer { isKept in
            var position = 0
            while position < input.count {
                let start = position
                while position < input.count, isKept[Int(input.bytes[position])] { position &+= 1 }
                // A key may begin with the last of them.
                if position > start, position < input.count, input.bytes[position] >= 0x80 { position &-= 1 }
                if position > start {
                    output.append(input, start..<position)
                    isAfterSpace = false
                } else {
                    writeNext(input, &position, &isAfterSpace, to: &output)
                }
            }
        }
        if removesExtraSpaces { removeSpacesAtEnd(&output) }
    }

    /// Writes the key or the scalar at a position, and moves behind it.
    private func writeNext(
        _ input: ByteView, _ position: inout Int, _ isAfterSpace: inout Bool, to output: inout ByteBuffer
    ) {
        let start = position
        if let (_, length) = fixed.longest(at: start, in: input.buffer) {
            position += length
            writeParts(
                ByteView(bytes: input.bytes + start, count: length), start..<position, of: input, &isAfterSpace, &output
            )
        } else if let (length, value) = map?.longest(input.bytes + start, input.count - start) {
            position += length
            let text = map?.replacement(at: value)
            guard let text, let bytes = text.baseAddress, text.count > 0 else {
                if !removesExtraSpaces { isAfterSpace = false }
                return
            }
            writeParts(ByteView(bytes: bytes, count: text.count), start..<position, of: input, &isAfterSpace, &output)
        } else if input.bytes[start] == 0x20 {
            position += 1
            if !isAfterSpace { appendSpace(replacing: start..<position, of: input, to: &output) }
            isAfterSpace = removesExtraSpaces
        } else {
            position += scalarWidth(input.bytes[start])
            output.append(input, start..<position)
            isAfterSpace = false
        }
    }

    /// Writes a replacement that may have spaces.
    private func writeParts(
        _ text: ByteView, _ range: Range<Int>, of input: ByteView, _ isAfterSpace: inout Bool,
        _ output: inout ByteBuffer
    ) {
        var first = 0
        while isAfterSpace, first < text.count, text.bytes[first] == 0x20 { first += 1 }
        for index in first..<text.count {
            if text.bytes[index] == 0x20 {
                appendSpace(replacing: range, of: input, to: &output)
            } else {
                output.append(text.bytes[index], replacing: range, of: input)
            }
        }
        if first < text.count { isAfterSpace = text.bytes[text.count - 1] == 0x20 }
        if !removesExtraSpaces { isAfterSpace = false }
    }

    private func appendSpace(replacing range: Range<Int>, of input: ByteView, to output: inout ByteBuffer) {
        if escapesSpaces {
            output.append(mark: .standard, replacing: range, of: input)
        } else {
            output.append(0x20, replacing: range, of: input)
        }
    }

    private func removeSpacesAtEnd(_ output: inout ByteBuffer) {
        if escapesSpaces {
            while output.count >= 3, SpaceMark.standard.isAt(output.count - 3, output.view) { output.count -= 3 }
        } else {
            while output.count > 0, output.memory[output.count - 1] == 0x20 { output.count -= 1 }
        }
    }
}
