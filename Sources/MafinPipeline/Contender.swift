import MafinMethod

/// A method with a trained local encoder. All methods are compared on the same data with the same training time.
public enum Contender: String, Sendable, Codable, CaseIterable {
    /// The method of this library: joint training with calibrated weights, then mixed with weights that are fitted on
    /// dev.
    case mafin
    /// Mafin as published: joint training with λ = ½ and a fixed temperature, then mixed with λ = ½.
    case paperMafin = "paper-mafin"
    /// The paper's λ-Mafin with one λ: joint training in which λ and τ are trained too. The weights are then fitted on
    /// dev.
    case lambdaMafin = "lambda-mafin"
    /// The norm form of λ-Mafin: the length of a local vector acts as its weight instead of λ.
    case normMafin = "norm-mafin"
    /// The method of this library with the hybrid of a listwise and a contrastive loss.
    case hybridMafin = "hybrid-mafin"
    /// The encoder trained without the black box, alone and mixed with it afterwards. Joint training has to beat this.
    case tunedAlone = "tuned-alone"

    /// The rivals that are trained by default.
    public static let rivals: [Contender] = [.tunedAlone, .paperMafin, .lambdaMafin]

    /// The name of its joined vectors in tables and JSON.
    package var joinedName: String { self == .tunedAlone ? "tuned-alone-mixed" : rawValue }

    /// The name of its local encoder alone.
    package var aloneName: String { self == .tunedAlone ? rawValue : "\(rawValue)-local-half" }

    /// The name of both sources joined half and half, where that is not what ``joinedName`` means: what the paper's Mafin has to beat.
    package var concatenatedName: String? { self == .tunedAlone ? "\(rawValue)-concatenated" : nil }

    /// Names of all rows that its training gives.
    package var rowNames: [String] { [aloneName, concatenatedName, joinedName].compactMap(\.self) }

    /// The options of this method, based on the shared options.
    func options(from options: TrainingOptions) -> TrainingOptions {
        var options = options
        switch self {
        case .mafin, .hybridMafin:
            break
        case .paperMafin:
            options.form = .fixed
            options.scale = .given(.paper)
            options.fitsScaleOnDev = false
            options.trainedShares = []
        case .lambdaMafin:
            options.form = .learned
            options.scale = .calibrated
        case .normMafin:
            options.form = .norm
            options.scale = .calibrated
        case .tunedAlone:
            options.form = .localOnly
            options.scale = .calibrated
        }
        return options
    }

    /// - Parameter loss: the loss that all contenders use, except those that differ in the loss.
    func objective(from loss: any Loss) -> any Loss {
        guard self == .hybridMafin, !(loss is HybridLoss) else { return loss }
        return HybridLoss(listwise: (loss as? any RowwiseLoss) ?? ListNet(target: .exponentialGain))
    }
}
