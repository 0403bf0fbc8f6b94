/// How often each term occurs in each document, in flat arrays in which the postings of a term are adjacent.
///
/// It has no weights, so that TF-IDF and BM25 with any k1 and b can share one index.
public struct InvertedIndex: Sendable {
    /// How the texts of documents and queries are split into terms.
    public let analyzer: TextAnalyzer
    /// Number of terms of each document, including repetitions.
    public let documentLengths: [Int32]
    /// `termCount + 1` offsets: the postings of term `t` are `offsets[t] ..< offsets[t + 1]`.
    let offsets: [Int]
    /// The document of each posting, ascending within a term.
    let postingDocuments: [Int32]
    /// Number of occurrences of the term in that document.
    let frequencies: [Int32]

    /// The words of the documents, and the term of each; −1 for stop words.
    private let words: TermTable
    private let termOfWord: [Int32]
    private let terms: TermTable

    /// Number of documents.
    public var documentCount: Int { documentLengths.count }
    /// Number of distinct terms.
    public var termCount: Int { offsets.count - 1 }

    /// Indexes texts. Document `i` is `texts[i]`.
    /// - Complexity: linear in the length of the texts. Each distinct word is stemmed once.
    public init(texts: some Sequence<String>, analyzer: TextAnalyzer = TextAnalyzer()) {
        var words = TermTable()
        var terms = TermTable()
        var termOfWord: [Int32] = []
        var stream: [Int32] = []
        var lengths: [Int32] = []
        for text in texts {
            let start = stream.count
            analyzer.forEachWord(in: text) { bytes in
                let word = words.insert(bytes)
                if word == termOfWord.count {
                    let term = analyzer.term(of: bytes)?.withUnsafeBufferPointer { terms.insert($0) }
                    termOfWord.append(Int32(term ?? -1))
                }
                if termOfWord[word] >= 0 { stream.append(termOfWord[word]) }
            }
            lengths.append(Int32(stream.count - start))
        }
        self.analyzer = analyzer
        self.words = words
        self.termOfWord = termOfWord
        self.terms = terms
        documentLengths = lengths
        (offsets, postingDocuments, frequencies) = Self.transpose(stream, lengths: lengths, termCount: terms.count)
    }

    /// Converts the terms of each document to the documents of each term, by counting in two passes.
    private static func transpose(
        _ stream: [Int32], lengths: [Int32], termCount: Int
    ) -> (offsets: [Int], documents: [Int32], frequencies: [Int32]) {
        var lastDocument = [Int32](repeating: -1, count: termCount)
        var offsets = [Int](repeating: 0, count: termCount + 1)
        forEachTerm(stream, lengths) { document, term in
            if lastDocument[term] != document {
                lastDocument[term] = document
                offsets[term + 1] += 1
            }
        }
        for term in 0..<termCount { offsets[term + 1] += offsets[term] }
        var documents = [Int32](repeating: 0, count: offsets[termCount])
        var frequencies = [Int32](repeating: 0, count: offsets[termCount])
        var next = offsets
        for term in 0..<termCount { lastDocument[term] = -1 }
        forEachTerm(stream, lengths) { document, term in
            if lastDocument[term] != document {
                lastDocument[term] = document
                documents[next[term]] = document
                next[term] += 1
            }
            frequencies[next[term] - 1] += 1
        }
        return (offsets, documents, frequencies)
    }

    private static func forEachTerm(_ stream: [Int32], _ lengths: [Int32], _ body: (Int32, Int) -> Void) {
        var position = 0
        for (document, length) in lengths.enumerated() {
            for term in stream[position..<position + Int(length)] { body(Int32(document), Int(term)) }
            position += Int(length)
        }
    }

    /// The terms of a query that occur in some document, in the query's order, including repetitions.
    func terms(ofQuery text: String) -> [Int] {
        var found: [Int] = []
        analyzer.forEachWord(in: text) { bytes in
            if let word = words.find(bytes) {
                if termOfWord[word] >= 0 { found.append(Int(termOfWord[word])) }
            } else if let term = analyzer.term(of: bytes)?.withUnsafeBufferPointer({ terms.find($0) }) {
                // No document has this word, but some have its stem.
                found.append(term)
            }
        }
        return found
    }

    /// The characters of a term.
    func term(_ term: Int) -> String { String(decoding: terms[term], as: UTF8.self) }

    /// Number of documents in which a term occurs.
    func documentFrequency(_ term: Int) -> Int { offsets[term + 1] - offsets[term] }
}
