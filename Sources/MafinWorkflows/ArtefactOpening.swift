import Foundation
import MafinBlackBox
import MafinEncoder
import MafinPipeline

/// Opens a black box. Its argument is the artefact's own black box, or nil, which is used unless the user names another.
package typealias BlackBoxOpening = (BlackBoxSource?) async throws -> any BlackBox

/// How an artefact, the encoder that it names and its black box are opened.
package enum ArtefactOpening {
    /// Loads an artefact, and warns if it is marked as not to be used.
    /// - Parameter precision: in which its encoders embed; nil for what the artefact says.
    package static func model(
        at path: String, precision: Precision? = nil, _ context: WorkflowContext
    ) throws -> ArtefactModel {
        let model = try ArtefactModel(
            artefact: URL(fileURLWithPath: path), precision: precision, released: releasedFolder)
        announcePrecision(of: model, at: path, asked: precision, context)
        let verdict = model.manifest.verdict
        // What could not be told was said by the command that wrote it.
        if !verdict.allowsUse, let warning = verdict.warning(at: path) { context.warn(warning) }
        return model
    }

    /// Opens the black box of an artefact. A black box that the artefact was not trained beside is refused before it is asked.
    package static func blackBox(of model: ArtefactModel, _ open: BlackBoxOpening) async throws -> any BlackBox {
        let blackBox = try await open(model.manifest.blackBoxSource)
        try model.artefact.require(blackBox: blackBox.identity)
        return blackBox
    }

    /// The folder of the released checkpoint that an artefact names: its folder during training, or else the hub's folder on this machine.
    package static func releasedFolder(_ record: EncoderRecord) throws -> URL {
        if let path = record.path, FileManager.default.fileExists(atPath: path) { return URL(fileURLWithPath: path) }
        return try ModelFolders().resolve(record.name, revision: record.revision ?? "main")
    }
}
