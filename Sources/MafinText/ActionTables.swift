/// The tables of the inner loop, at fixed addresses, so that it needs no bounds checks and no reference counting.
final class ActionTables: @unchecked Sendable {
    // Sendable: nothing changes after `init`.

    /// The code of each first byte of a character. A code below 256 is the byte that an ASCII letter or digit adds to
    /// its word. Other codes are the constants below.
    let firstBytes: UnsafePointer<UInt16>
    /// The token id of each ASCII character that is a word of its own.
    let isolatedASCII: UnsafePointer<Int32>
    /// ``ScalarActions/blocks``
    let blocks: UnsafePointer<UInt16>
    /// ``ScalarActions/actions``
    let actions: UnsafePointer<ScalarAction>
    /// ``ScalarActions/pool``
    let pool: UnsafePointer<UInt8>

    static let separator: UInt16 = 256
    static let dropped: UInt16 = 257
    static let isolated: UInt16 = 258
    /// Not ASCII, or an ASCII character that becomes several bytes.
    static let scalar: UInt16 = 259
    /// An added token may start here.
    static let addedToken: UInt16 = 260

    init(settings: NormalizerSettings, vocabulary: Vocabulary, addedTokens: AddedTokens) {
        let table = ScalarActions(settings: settings, unicode: .shared) { scalar in
            vocabulary.identifier(of: encodedScalar(scalar)) ?? vocabulary.unknownToken
        }
        var firstBytes = [UInt16](repeating: Self.scalar, count: 256)
        var isolatedASCII = [Int32](repeating: vocabulary.unknownToken, count: 128)
        for byte in 0..<128 {
            let action = table.actions[Int(table.blocks[0]) * 256 + byte]
            switch action.kind {
            case .copy: firstBytes[byte] = UInt16(byte)
            case .substitute where action.payload >> 24 == 1: firstBytes[byte] = UInt16(action.payload & 0xFF)
            case .isolate:
                firstBytes[byte] = Self.isolated
                isolatedASCII[byte] = Int32(action.payload)
            case .separate: firstBytes[byte] = Self.separator
            case .drop: firstBytes[byte] = Self.dropped
            case .substitute, .expand, .decomposeHangul, .examine: break
            }
        }
        for byte in addedTokens.firstBytes { firstBytes[Int(byte)] = Self.addedToken }
        self.firstBytes = fixedCopy(firstBytes)
        self.isolatedASCII = fixedCopy(isolatedASCII)
        blocks = fixedCopy(table.blocks)
        actions = fixedCopy(table.actions)
        pool = fixedCopy(table.pool)
    }

    deinit {
        firstBytes.deallocate()
        isolatedASCII.deallocate()
        blocks.deallocate()
        actions.deallocate()
        pool.deallocate()
    }

    @inline(__always) func action(of scalar: UInt32) -> ScalarAction {
        actions[Int(blocks[Int(scalar >> 8)]) << 8 | Int(scalar & 0xFF)]
    }
}
