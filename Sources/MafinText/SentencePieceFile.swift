/// The parts of a SentencePiece `.model` file that decide about ids (`sentencepiece_model.proto`).
struct SentencePieceFile {
    /// The kind of a piece.
    enum Kind: Int {
        case normal = 1
        case unknown, control, userDefined, unused, byte
    }

    /// The text of each piece. The id is its place.
    private(set) var pieces = VocabularyEntries()
    private(set) var scores: [Float] = []
    private(set) var kinds: [Kind] = []

    // TrainerSpec
    private(set) var modelType = 1
    private(set) var fallsBackToBytes = false
    private(set) var putsSpacesBehind = false

    // NormalizerSpec
    private(set) var characterMap: ArraySlice<UInt8> = []
    private(set) var addsDummyPrefix = true
    private(set) var removesExtraSpaces = true
    private(set) var escapesSpaces = true

    init(_ file: [UInt8]) throws(ProtobufReader.Failure) {
        var reader = ProtobufReader(file[...])
        while let (field, value) = try reader.next() {
            guard case .bytes(let message) = value else { continue }
            switch field {
            case 1: try readPiece(message)
            case 2: try readTrainer(message)
            case 3: try readNormalizer(message)
            default: break
            }
        }
        guard pieces.count > 0 else { throw ProtobufReader.Failure(offset: 0, reason: "the file has no pieces") }
    }

    private mutating func readPiece(_ message: ArraySlice<UInt8>) throws(ProtobufReader.Failure) {
        var reader = ProtobufReader(message)
        var (text, score, kind) = (ArraySlice<UInt8>(), Float(0), Kind.normal)
        while let (field, value) = try reader.next() {
            switch (field, value) {
            case (1, .bytes(let bytes)): text = bytes
            case (2, .word): score = value.float
            case (3, .number):
                guard let known = Kind(rawValue: value.integer) else {
                    throw ProtobufReader.Failure(
                        offset: reader.offset, reason: "piece \(pieces.count) has the unknown type \(value.integer)")
                }
                kind = known
            default: break
            }
        }
        guard score.isFinite, String(validating: text, as: UTF8.self) != nil else {
            throw ProtobufReader.Failure(
                offset: message.startIndex,
                reason: "piece \(pieces.count) is not UTF-8, or its score is not a finite number")
        }
        pieces.append(text, id: Int32(truncatingIfNeeded: scores.count))
        scores.append(score)
        kinds.append(kind)
    }

    private mutating func readTrainer(_ message: ArraySlice<UInt8>) throws(ProtobufReader.Failure) {
        var reader = ProtobufReader(message)
        while let (field, value) = try reader.next() {
            switch field {
            case 3: modelType = value.integer
            case 24: putsSpacesBehind = value.flag
            case 35: fallsBackToBytes = value.flag
            default: break
            }
        }
    }

    private mutating func readNormalizer(_ message: ArraySlice<UInt8>) throws(ProtobufReader.Failure) {
        var reader = ProtobufReader(message)
        while let (field, value) = try reader.next() {
            switch (field, value) {
            case (2, .bytes(let bytes)): characterMap = bytes
            case (3, _): addsDummyPrefix = value.flag
            case (4, _): removesExtraSpaces = value.flag
            case (5, _): escapesSpaces = value.flag
            default: break
            }
        }
    }

    /// The name of the model type.
    var modelName: String {
        let names = ["Unigram", "BPE", "word", "character"]
        return (1...4).contains(modelType) ? names[modelType - 1] : "\(modelType)"
    }

    /// The token of a byte: `<0x0A>`.
    static func byteToken(_ byte: Int) -> String {
        let digits = String(byte, radix: 16, uppercase: true)
        return "<0x\(digits.count == 1 ? "0" : "")\(digits)>"
    }
}

extension SentencePieceFile {
    /// The reason why a file cannot be used, with the field that is wrong.
    struct Failure: Error {
        let field: String
        let reason: String
    }

    /// The pieces of a kind, by place.
    func places(of kind: Kind) -> [Int] { kinds.indices.filter { kinds[$0] == kind } }

    /// The normalizer.
    func normalizer() throws(Failure) -> SentencePieceNormalizer {
        do {
            return SentencePieceNormalizer(
                map: characterMap.isEmpty ? nil : try CharacterMap(Array(characterMap)),
                fixed: try PatternTrie(places(of: .userDefined).map { Array(pieces.token($0)) }),
                addsDummyPrefix: addsDummyPrefix, removesExtraSpaces: removesExtraSpaces,
                escapesSpaces: escapesSpaces)
        } catch {
            throw Failure(field: "normalizer_spec", reason: error.reason)
        }
    }

    /// The model, and whether words can be split one after the other. That gives the same ids as SentencePiece, which
    /// splits whole texts, if no piece spans two words.
    ///
    /// - Parameter identifier: the id of the piece at a place.
    func model(identifier: (Int) -> Int32) throws(Failure) -> (model: UnigramModel, splits: Bool) {
        guard let unknown = kinds.firstIndex(of: .unknown) else {
            throw Failure(field: "pieces", reason: "there is no piece for unknown text")
        }
        var entries = VocabularyEntries()
        var byPlace = [Double](repeating: 0, count: scores.count)
        let (least, most) = extremes()
        for place in kinds.indices where kinds[place] == .normal || kinds[place] == .userDefined {
            let piece = pieces.token(place)
            entries.append(piece, id: identifier(place))
            // As in unigram_model.cc: a user-defined piece always wins.
            byPlace[place] =
                kinds[place] == .normal ? Double(scores[place]) : Double(Float(piece.count) * most) - 0.1
        }
        let size = (kinds.indices.map { Int(identifier($0)) }.max() ?? 0) + 1
        var byIdentifier = [Double](repeating: 0, count: size)
        for place in kinds.indices { byIdentifier[Int(identifier(place))] = byPlace[place] }
        var bytes: [Int32]?
        if fallsBackToBytes {
            var tokens = [Int32](repeating: -1, count: 256)
            for place in places(of: .byte) {
                let text = Array(pieces.token(place))
                for byte in 0..<256 where text.elementsEqual(Self.byteToken(byte).utf8) {
                    tokens[byte] = identifier(place)
                }
            }
            bytes = tokens
        }
        let vocabulary: Vocabulary
        do {
            vocabulary = try Vocabulary(entries)
        } catch {
            throw Failure(field: "pieces", reason: error.reason)
        }
        let model = UnigramModel(
            vocabulary: vocabulary, scores: byIdentifier, unknown: identifier(unknown), leastScore: Double(least),
            byteTokens: bytes, isContinuous: true)
        let mark = Array("\u{2581}".utf8)
        let spans = (0..<entries.count).contains { place in
            entries.token(place).dropFirst().contains(mark[0]) && contains(mark, in: entries.token(place).dropFirst())
        }
        return (model, escapesSpaces && !spans && vocabulary.identifier(of: mark) != nil)
    }

    /// The least and the largest score of normal pieces, the latter as SentencePiece finds it.
    private func extremes() -> (least: Float, most: Float) {
        var (least, most) = (Float.greatestFiniteMagnitude, Float.leastNormalMagnitude)
        for place in places(of: .normal) {
            least = min(least, scores[place])
            most = max(most, scores[place])
        }
        return (least, most)
    }

    private func contains(_ pattern: [UInt8], in text: ArraySlice<UInt8>) -> Bool {
        text.indices.contains { text[$0...].starts(with: pattern) }
    }
}
