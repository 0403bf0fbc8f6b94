import MafinBlackBox
import MafinNumerics

/// The pieces of the texts of one call, and the vectors received for them.
struct Cutting {
    /// One piece of an item's text.
    private struct Piece {
        var text: String
        var vector: [Float]?
    }

    /// The pieces that are sent in one call to the black box.
    struct Round: Sendable {
        /// Pieces as items. A text that is not cut keeps its own id.
        var items: [EmbeddingItem] = []
        /// For each of them, the index of the item and of the piece.
        var places: [(item: Int, piece: Int)] = []
    }

    let items: [EmbeddingItem]
    private let cuts: OverflowCuts
    private var pieces: [[Piece]]
    /// Items that have been handed over, or refused.
    private var isDone: [Bool]
    private var refused: [RefusedText] = []
    var endpoint = ""
    /// Bytes of the longest piece that was answered, and of the shortest that was refused for its length.
    private var largestAnswered = 0
    private var smallestRefused = Int.max
    private var answered = 0

    init(items: [EmbeddingItem], cuts: OverflowCuts, pieces: [[String]]) {
        self.items = items
        self.cuts = cuts
        self.pieces = pieces.map { $0.map { Piece(text: $0) } }
        isDone = items.map { _ in false }
    }

    /// All pieces that have no vector yet.
    func round() -> Round {
        var round = Round()
        for item in items.indices where !isDone[item] {
            for (piece, content) in pieces[item].enumerated() where content.vector == nil {
                let isWhole = pieces[item].count == 1 && content.text.utf8.count == items[item].text.utf8.count
                round.items.append(
                    EmbeddingItem(
                        id: isWhole ? items[item].id : "\(items[item].id) (piece \(piece + 1))", text: content.text))
                round.places.append((item, piece))
            }
        }
        return round
    }

    /// Takes some rows of a round. Returns those of whole texts, to be handed over, and keeps the others.
    mutating func take(_ rows: AnsweredRows, of round: Round) -> AnsweredRows? {
        var (whole, selection): ([Int], [Int]) = ([], [])
        for (row, index) in rows.indices.enumerated() {
            let (item, piece) = round.places[index]
            largestAnswered = max(largestAnswered, round.items[index].text.utf8.count)
            if pieces[item].count == 1 {
                whole.append(item)
                selection.append(row)
                isDone[item] = true
            } else {
                pieces[item][piece].vector = Array(rows.vectors.row(row))
            }
        }
        answered += rows.indices.count
        guard !whole.isEmpty else { return nil }
        return AnsweredRows(
            indices: whole,
            vectors: whole.count == rows.indices.count ? rows.vectors : rows.vectors.selecting(rows: selection))
    }

    /// Takes the refused texts of a round, and cuts those that are too long. If many were refused, the call ended before all were sent, so the
    /// size that was refused is applied to the rest too.
    /// - Returns: whether the round made progress.
    mutating func take(_ refused: [RefusedText], of round: Round, since before: (answered: Int, refused: Int)) -> Bool {
        for text in refused where text.reason == .tooLong { shorten(round, text) }
        refuse(round, refused.filter { $0.reason != .tooLong })
        shortenOthers()
        return answered > before.answered || smallestRefused < before.refused
    }

    /// The number of pieces answered so far, and the size of the shortest that was refused.
    var progress: (answered: Int, refused: Int) { (answered, smallestRefused) }

    /// Cuts the refused piece into shorter ones, or the whole text if none of its pieces is answered yet.
    private mutating func shorten(_ round: Round, _ text: RefusedText) {
        let place = round.places[text.position]
        // Earlier pieces of the same text may have been cut in this round already, so the piece is found by its text.
        guard
            let index = pieces[place.item].firstIndex(where: {
                $0.vector == nil && $0.text == round.items[text.position].text
            })
        else { return }
        let bytes = pieces[place.item][index].text.utf8.count
        smallestRefused = min(smallestRefused, bytes)
        guard cut(place.item, index, to: cuts.size(below: bytes)) else {
            refuse(round, [text])
            return
        }
    }

    /// Cuts all unanswered pieces that are at least as long as a refused one and longer than every answered one.
    private mutating func shortenOthers() {
        guard smallestRefused < Int.max else { return }
        let size = max(largestAnswered, cuts.size(below: smallestRefused))
        for item in items.indices where !isDone[item] {
            while let index = pieces[item].firstIndex(where: {
                $0.vector == nil && $0.text.utf8.count >= smallestRefused && $0.text.utf8.count > size
            }) {
                guard cut(item, index, to: cuts.size(below: size + 1)) else { break }
            }
        }
    }

    /// - Returns: false if the piece cannot be cut.
    private mutating func cut(_ item: Int, _ index: Int, to size: Int) -> Bool {
        let text = pieces[item][index].text
        guard TokenRuler.firstPiece(of: text, maximumBytes: size).utf8.count < text.utf8.count else { return false }
        if pieces[item].allSatisfy({ $0.vector == nil }) {
            pieces[item] = cuts.pieces(of: items[item].text, maximumBytes: size).map { Piece(text: $0) }
        } else {
            pieces[item].replaceSubrange(
                index...index, with: cuts.pieces(of: text, maximumBytes: size).map { Piece(text: $0) })
        }
        return true
    }

    /// Marks texts as refused. If a piece is refused, its whole text is.
    private mutating func refuse(_ round: Round, _ texts: [RefusedText]) {
        for text in texts {
            let item = round.places[text.position].item
            guard !isDone[item] else { continue }
            isDone[item] = true
            refused.append(
                RefusedText(position: item, id: items[item].id, reason: text.reason, message: text.message))
        }
    }

    /// Vectors of the texts that were cut: the mean of the pieces, weighted by their bytes, scaled to unit length (the method of the OpenAI
    /// cookbook, "Embedding texts that are longer than the model's maximum context length").
    mutating func means() -> [AnsweredRows] {
        var rows: [AnsweredRows] = []
        for item in items.indices where !isDone[item] {
            let vectors = pieces[item].compactMap(\.vector)
            guard !vectors.isEmpty, vectors.count == pieces[item].count,
                let mean = Self.mean(of: vectors, weights: pieces[item].map(\.text.utf8.count))
            else { continue }
            isDone[item] = true
            rows.append(
                AnsweredRows(indices: [item], vectors: Matrix(rows: 1, columns: mean.count, values: mean)))
        }
        return rows
    }

    /// The weighted mean of vectors of one length, scaled to unit length; nil if it is zero.
    static func mean(of vectors: [some Collection<Float>], weights: [Int]) -> [Float]? {
        var sum = [Double](repeating: 0, count: vectors.first?.count ?? 0)
        for (weight, vector) in zip(weights, vectors) {
            for (column, value) in vector.enumerated() where column < sum.count {
                sum[column] += Double(weight) * Double(value)
            }
        }
        let length = sum.reduce(0) { $0 + $1 * $1 }.squareRoot()
        return length > 0 ? sum.map { Float($0 / length) } : nil
    }

    /// Items whose text was not sent as a whole.
    var cutItems: [Int] {
        items.indices.filter { pieces[$0].count > 1 || pieces[$0].first?.text.utf8.count != items[$0].text.utf8.count }
    }

    /// An error that names the texts without a vector; nil if there are none.
    func error(_ role: TextRole) -> ProviderError? {
        let left = items.indices.filter { !isDone[$0] }.map {
            RefusedText(position: $0, id: items[$0].id, reason: .tooLong, message: "it is too long even in pieces")
        }
        let all = (refused + left).sorted { $0.position < $1.position }
        return all.isEmpty ? nil : .textsRefused(endpoint: endpoint, role: role, texts: all)
    }
}
