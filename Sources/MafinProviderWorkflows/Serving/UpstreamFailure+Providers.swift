import MafinBlackBox
import MafinProviders
import MafinServer

extension UpstreamFailure {
    /// What an error of a provider, or of another black box, means to a service.
    package init(of error: any Error) {
        switch error {
        case let error as UpstreamFailure: self = error
        case let error as ProviderError:
            switch error {
            case .textsRefused, .textsTooLong, .emptyTexts: self.init(.textRefused, "\(error)")
            case .refused(_, let status, _) where [400, 413, 422].contains(status): self.init(.textRefused, "\(error)")
            case .unavailable(_, _, _, let delay):
                let seconds = delay.map { Int($0.components.seconds) + ($0.components.attoseconds > 0 ? 1 : 0) }
                self.init(.unavailable, "\(error)", retryAfter: seconds.map { max(1, $0) })
            case .overBudget: self.init(.overBudget, "\(error)")
            case .batchPending, .badAnswer, .badVector, .cacheUnusable, .cacheFull:
                self.init(.unavailable, "\(error)")
            default: self.init(.refused, "\(error)")
            }
        case let error as BlackBoxError: self.init(.textRefused, "\(error)")
        default: self.init(.unavailable, "\(error)")
        }
    }
}
