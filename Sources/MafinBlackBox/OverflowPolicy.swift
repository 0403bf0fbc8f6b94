/// What is done with a text that is longer than a black box takes. Nothing is ever cut in silence.
public enum OverflowPolicy: String, Sendable, Codable, Hashable, CaseIterable {
    /// It has no vector, and the call says so.
    case error
    /// Its beginning stands for it.
    case truncate
    /// It is cut into pieces, and the mean of their vectors, weighted by length, stands for it.
    case splitMean = "split-mean"
}
