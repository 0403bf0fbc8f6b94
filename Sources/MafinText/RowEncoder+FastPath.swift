extension RowEncoder {
    /// Adds the ids of a text without special tokens, in one pass over its bytes and without allocation.
    ///
    /// - Parameter limit: the method stops once `output` has this many ids or a few more.
    /// - Returns: `false` if a scalar of the text cannot be encoded without its neighbours. The ids that were added are
    ///   then wrong.
    mutating func appendFast(_ text: UnsafeBufferPointer<UInt8>, limit: Int) -> Bool {
        guard let bytes = text.baseAddress, output.count < limit else { return true }
        let tables = tokenizer.tables
        let firstBytes = tables.firstBytes
        let count = text.count
        var position = 0
        var length = 0

        while position < count {
            var code = firstBytes[Int(bytes[position])]
            if code < 256 {
                // ASCII letters and digits, which are the largest part of most texts.
                let end = min(count, position &+ Self.slack)
                repeat {
                    word[length] = UInt8(truncatingIfNeeded: code)
                    length &+= 1
                    position &+= 1
                    if position == end { break }
                    code = firstBytes[Int(bytes[position])]
                } while code < 256
                length = min(length, overlong)
                if code < 256 { continue }
            }
            switch code {
            case ActionTables.separator:
                position &+= 1
                appendWord(&length)
                if output.count >= limit { return true }
            case ActionTables.dropped:
                position &+= 1
            case ActionTables.isolated:
                appendWord(&length)
                output.reserve(1)
                output.append(tables.isolatedASCII[Int(bytes[position])])
                position &+= 1
                if output.count >= limit { return true }
            default:
                if code == ActionTables.addedToken, let found = tokenizer.addedTokens.literal(at: position, in: text) {
                    appendWord(&length)
                    output.reserve(1)
                    output.append(found.id)
                    position &+= found.length
                } else if !appendScalar(bytes, &position, &length) {
                    return false
                }
                if output.count >= limit { return true }
            }
        }
        appendWord(&length)
        return true
    }

    /// Ends the current word, if there is one.
    @inline(__always) private mutating func appendWord(_ length: inout Int) {
        if length == 0 { return }
        output.reserve(tokenizer.settings.maximumWordLength)
        output.count &+= tokenizer.vocabulary.split(word: word, count: length, into: output.memory + output.count)
        length = 0
    }

    /// Performs the action of one scalar. Returns `false` if the action depends on its neighbours.
    private mutating func appendScalar(_ bytes: UnsafePointer<UInt8>, _ position: inout Int, _ length: inout Int)
        -> Bool
    {
        let (scalar, width) = decodeScalar(bytes + position)
        let tables = tokenizer.tables
        let action = tables.action(of: scalar)
        let payload = action.payload
        switch action.kind {
        case .copy:
            for index in 0..<width { word[length &+ index] = bytes[position &+ index] }
            length &+= width
        case .substitute:
            word[length] = UInt8(truncatingIfNeeded: payload)
            word[length &+ 1] = UInt8(truncatingIfNeeded: payload >> 8)
            word[length &+ 2] = UInt8(truncatingIfNeeded: payload >> 16)
            length &+= Int(payload >> 24)
        case .expand:
            let expansion = tables.pool + Int(payload)
            for index in 0..<Int(expansion[0]) { word[length &+ index] = expansion[index &+ 1] }
            length &+= Int(expansion[0])
        case .decomposeHangul:
            let index = scalar - UnicodeProperties.hangulSyllables.lowerBound
            appendJamo(0x1100 + index / 588, &length)
            appendJamo(0x1161 + index % 588 / 28, &length)
            if index % 28 != 0 { appendJamo(0x11A7 + index % 28, &length) }
        case .isolate:
            appendWord(&length)
            output.reserve(1)
            output.append(Int32(bitPattern: payload))
        case .separate:
            appendWord(&length)
        case .drop:
            break
        case .examine:
            return false
        }
        length = min(length, overlong)
        position &+= width
        return true
    }

    /// Adds a jamo, which takes three bytes.
    private func appendJamo(_ scalar: UInt32, _ length: inout Int) {
        word[length] = UInt8(0xE0 | scalar >> 12)
        word[length &+ 1] = UInt8(0x80 | scalar >> 6 & 0x3F)
        word[length &+ 2] = UInt8(0x80 | scalar & 0x3F)
        length &+= 3
    }
}

/// The scalar that starts at an address in valid UTF-8, and how many bytes it takes.
@inline(__always)
func decodeScalar(_ bytes: UnsafePointer<UInt8>) -> (scalar: UInt32, width: Int) {
    let first = UInt32(bytes[0])
    if first < 0x80 { return (first, 1) }
    let second = UInt32(bytes[1] & 0x3F)
    if first < 0xE0 { return ((first & 0x1F) << 6 | second, 2) }
    let third = UInt32(bytes[2] & 0x3F)
    if first < 0xF0 { return ((first & 0x0F) << 12 | second << 6 | third, 3) }
    return ((first & 0x07) << 18 | second << 12 | third << 6 | UInt32(bytes[3] & 0x3F), 4)
}

/// How many bytes the scalar takes whose first byte this is, in valid UTF-8.
@inline(__always)
func scalarWidth(_ first: UInt8) -> Int { first < 0x80 ? 1 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4 }
