import Foundation

package enum FinishedComparison {
    package static func open(_ folder: URL) throws -> (any ShippableComparison)? { nil }
}
