import MafinCommandLine
import MafinGeneration
import MafinProviders
import MafinServer
import MafinStores
import MafinWorkflows

// Exit statuses for errors of the modules that the demo does not have.

extension ProviderError: CommandStatusProviding {
    package var commandStatus: CommandStatus {
        switch self {
        case .cacheFull: .failure
        case .batchPending: .tryAgain
        case .overBudget: .budget
        default:
            switch category {
            case .usage: .usage
            case .data: .data
            case .network: .network
            }
        }
    }

    package var commandMessage: String {
        guard case .unknownProvider(let name, let known) = self else { return description }
        return NameError("provider", name, known: known).description
    }
}

extension GenerationError: CommandStatusProviding {
    package var commandStatus: CommandStatus { if case .badMix = self { .usage } else { .data } }
}

extension StoreError: CommandStatusProviding {
    package var commandStatus: CommandStatus { isNetwork ? .network : isWrongUse ? .usage : .data }
}

extension KeyError: CommandStatusProviding {
    package var commandStatus: CommandStatus { .usage }
}
