/// Words that carry too little meaning to be indexed.
public enum StopWords {
    /// The 33 English stop words of Lucene's `EnglishAnalyzer`, which are also bm25s' `stopwords="en"`.
    public static let english: Set<String> = [
        "a", "an", "and", "are", "as", "at", "be", "but", "by", "for", "if", "in", "into", "is", "it", "no", "not",
        "of", "on", "or", "such", "that", "the", "their", "then", "there", "these", "they", "this", "to", "was",
        "will", "with",
    ]
}
