import Foundation
import MafinNumerics

/// The checkpoints of one run, in a folder of their own. A checkpoint is a new folder. It becomes valid when
/// `latest.json`, which is written last, names it.
///
/// The folder holds `state.json`, the encoders' own states, `negatives.json` if hard negatives are mined, and
/// `tensors.safetensors` with the best weights and, if it changes, the bank. A frozen bank is written once, beside the
/// folders.
package struct TrainingCheckpoints {
    package let folder: URL

    package init(folder: URL) { self.folder = folder }

    private struct Latest: Codable {
        var folder: String
    }

    /// Name of the file that exists if there is something to resume.
    package static let latestName = "latest.json"

    private var latest: URL { folder.appendingPathComponent(Self.latestName) }
    private var frozenBank: URL { folder.appendingPathComponent("bank.safetensors") }

    /// Everything in a checkpoint except the encoders' own states.
    struct Contents {
        var state: TrainingState
        /// Best weights of each trained encoder.
        var best: [[Float]]
        var bank: DocumentBank
        var mined: MinedNegatives
    }

    /// Removes the checkpoints of an earlier run; other files in the folder stay.
    package func clear() throws {
        let files = FileManager.default
        try files.createDirectory(at: folder, withIntermediateDirectories: true)
        for name in try files.contentsOfDirectory(atPath: folder.path)
        where name == latest.lastPathComponent || name == frozenBank.lastPathComponent || name.hasPrefix("step-") {
            try files.removeItem(at: folder.appendingPathComponent(name))
        }
    }

    /// Writes a checkpoint. Once it is valid, the checkpoint before it is removed.
    func write<Encoder: TrainableEncoder>(
        _ contents: Contents, encoders: [Encoder], bankChanges: Bool
    ) throws {
        let files = FileManager.default
        if !bankChanges, !files.fileExists(atPath: frozenBank.path) {
            try SafeTensorsFile.withTensors(of: Self.tensors(of: contents.bank)) {
                try SafeTensorsFile.write($0, to: frozenBank)
            }
        }
        // The name is new even if the same step is written again, so that the valid checkpoint stays untouched.
        let name = "step-\(contents.state.step)-\(UUID().uuidString.prefix(8))"
        try AtomicFile.replaceDirectory(at: folder.appendingPathComponent(name)) { folder in
            try Self.encode(contents.state, to: folder.appendingPathComponent("state.json"))
            var tensors = contents.best.enumerated().map {
                (name: "best.\($0)", shape: [$1.count], values: $1)
            }
            if bankChanges { tensors += Self.tensors(of: contents.bank) }
            try SafeTensorsFile.withTensors(of: tensors) {
                try SafeTensorsFile.write($0, to: folder.appendingPathComponent("tensors.safetensors"))
            }
            if !contents.mined.negatives.isEmpty {
                try Self.encode(contents.mined, to: folder.appendingPathComponent("negatives.json"))
            }
            for (number, encoder) in encoders.enumerated() {
                let url = folder.appendingPathComponent("encoder-\(number)")
                try files.createDirectory(at: url, withIntermediateDirectories: true)
                try encoder.saveTrainingState(to: url)
            }
        }
        try Self.encode(Latest(folder: name), to: latest)
        for other in try files.contentsOfDirectory(atPath: folder.path) where other.hasPrefix("step-") && other != name
        {
            try files.removeItem(at: folder.appendingPathComponent(other))
        }
    }

    /// Reads the state of the latest checkpoint. Nothing else is read, and nothing is changed.
    /// - Throws: ``TrainingError/checkpoint(path:expected:found:)`` if there is no checkpoint, if it is damaged, or if
    ///   it belongs to another run.
    func readState(of identity: RunIdentity) throws -> (state: TrainingState, folder: URL) {
        guard FileManager.default.fileExists(atPath: latest.path) else {
            throw TrainingError.checkpoint(
                path: folder.path, expected: "a checkpoint to resume", found: "none (no latest.json)")
        }
        let folder = folder.appendingPathComponent(try Self.decode(Latest.self, from: latest).folder)
        let url = folder.appendingPathComponent("state.json")
        let state = try Self.decode(TrainingState.self, from: url)
        if let difference = try Self.difference(expected: identity, found: state.identity) {
            throw TrainingError.checkpoint(path: url.path, expected: difference.expected, found: difference.found)
        }
        return (state, folder)
    }

    /// Reads the rest of a checkpoint, and restores the encoders from it.
    func read<Encoder: TrainableEncoder>(
        _ state: TrainingState, from folder: URL, encoders: [Encoder], bankChanges: Bool
    ) throws -> Contents {
        for (number, encoder) in encoders.enumerated() {
            try encoder.restoreTrainingState(from: folder.appendingPathComponent("encoder-\(number)"))
        }
        let tensors = try SafeTensorsFile(folder.appendingPathComponent("tensors.safetensors"))
        let best = try encoders.indices.map { try tensors.floats(of: "best.\($0)") }
        let source = bankChanges ? tensors : try SafeTensorsFile(frozenBank)
        guard let shape = source.shape(of: "bank.vectors"), shape.count == 2 else {
            throw TrainingError.checkpoint(
                path: folder.path, expected: "a bank of document vectors", found: source.names.joined(separator: ", "))
        }
        var bank = DocumentBank(
            rows: LocalRows(
                vectors: Matrix(rows: shape[0], columns: shape[1], values: try source.floats(of: "bank.vectors")),
                weights: try source.floats(of: "bank.weights")))
        bank.driftState = state.drift
        let negatives = folder.appendingPathComponent("negatives.json")
        let mined =
            FileManager.default.fileExists(atPath: negatives.path)
            ? try Self.decode(MinedNegatives.self, from: negatives) : MinedNegatives()
        return Contents(state: state, best: best, bank: bank, mined: mined)
    }

    private static func tensors(of bank: DocumentBank) -> [(name: String, shape: [Int], values: [Float])] {
        [
            ("bank.vectors", [bank.rows.vectors.rows, bank.rows.vectors.columns], bank.rows.vectors.values),
            ("bank.weights", [bank.rows.weights.count], bank.rows.weights),
        ]
    }

    private static func encode(_ value: some Encodable, to url: URL) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .prettyPrinted]
        try AtomicFile.write(try encoder.encode(value), to: url)
    }

    private static func decode<Value: Decodable>(_ type: Value.Type, from url: URL) throws -> Value {
        do {
            return try JSONDecoder().decode(type, from: Data(contentsOf: url))
        } catch {
            throw TrainingError.checkpoint(
                path: url.path, expected: "the state of a run, as this version writes it",
                found: (error as? DecodingError)?.sentence ?? "\(error)")
        }
    }

    /// The first field in which two identities differ, in words; `nil` if they are equal.
    private static func difference(
        expected: RunIdentity, found: RunIdentity
    ) throws -> (expected: String, found: String)? {
        guard expected != found else { return nil }
        if expected.dataHash != found.dataHash {
            return ("a run on this data", "one whose texts, labels, splits or black-box vectors differ")
        }
        if expected.base != found.base {
            if let name = expected.base?.name, name == found.base?.name {
                return ("a run beside these scores of \(name)", "one beside other scores of that name")
            }
            func name(_ run: RunIdentity) -> String { run.base?.name ?? "the black box" }
            return ("a run beside \(name(expected))", "one beside \(name(found))")
        }
        if expected.encoders != found.encoders {
            func identities(_ run: RunIdentity) -> String { run.encoders.map(\.identity).joined(separator: "; ") }
            if identities(expected) == identities(found) {
                return ("a run that began with this encoder", "one that began with other weights")
            }
            return (
                "a run that began with this encoder: \(identities(expected))",
                "one that began with: \(identities(found))"
            )
        }
        func fields(_ identity: RunIdentity) throws -> [String: String] {
            let data = try JSONEncoder().encode(identity)
            var result: [String: String] = [:]
            flatten(try JSONSerialization.jsonObject(with: data), path: "", into: &result)
            return result
        }
        let (wanted, present) = (try fields(expected), try fields(found))
        let names = Set(wanted.keys).union(present.keys).sorted()
        guard let name = names.first(where: { wanted[$0] != present[$0] }) else {
            return ("a run of these options", "one whose options differ")
        }
        return ("a run with \(name) = \(wanted[name] ?? "none")", "one with \(name) = \(present[name] ?? "none")")
    }

    private static func flatten(_ value: Any, path: String, into result: inout [String: String]) {
        if let object = value as? [String: Any] {
            for (key, value) in object { flatten(value, path: path.isEmpty ? key : "\(path).\(key)", into: &result) }
        } else if let list = value as? [Any] {
            for (index, value) in list.enumerated() { flatten(value, path: "\(path).\(index)", into: &result) }
        } else {
            result[path] = "\(value)"
        }
    }
}
