import Foundation
import MafinTestSupport
import Synchronization
import Testing

@testable import MafinNumerics

/// Files and folders are written whole or not at all.
@Suite struct AtomicFileTests {
    private struct Failure: Error {}

    private func names(_ folder: TemporaryFolder) throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: folder.url.path).sorted()
    }

    @Test func writesAndReplaces() async throws {
        try await TemporaryFolder.with { folder in
            let url = folder.url.appendingPathComponent("file")
            for text in ["first", "a longer second", ""] {
                try AtomicFile.write(Data(text.utf8), to: url)
                #expect(try Data(contentsOf: url) == Data(text.utf8))
            }
            #expect(try names(folder) == ["file"], "no temporary file stays")
        }
    }

    @Test func writesInPieces() async throws {
        try await TemporaryFolder.with { folder in
            let url = folder.url.appendingPathComponent("file")
            try AtomicFile.write(to: url) { file in
                try file.write(Data("one ".utf8))
                #expect(!FileManager.default.fileExists(atPath: url.path), "the name is given last")
                try [UInt8]("two".utf8).withUnsafeBytes { try file.write($0) }
            }
            #expect(try String(contentsOf: url, encoding: .utf8) == "one two")
        }
    }

    @Test func whenTheBodyThrowsTheOldContentStays() async throws {
        try await TemporaryFolder.with { folder in
            let url = try folder.write("old", to: "file")
            #expect(throws: Failure.self) {
                try AtomicFile.write(to: url) { file in
                    try file.write(Data("new".utf8))
                    throw Failure()
                }
            }
            #expect(try String(contentsOf: url, encoding: .utf8) == "old")
            #expect(try names(folder) == ["file"])
        }
    }

    @Test func onlyAnEmptyFolderOrOneWithTheMarkerMayBeReplaced() async throws {
        try await TemporaryFolder.with { folder in
            func canReplace(_ name: String) throws -> Bool {
                try AtomicFile.canReplaceDirectory(at: folder.url.appendingPathComponent(name), holding: "marker")
            }
            try FileManager.default.createDirectory(
                at: folder.url.appendingPathComponent("empty"), withIntermediateDirectories: true)
            for path in ["marked/marker", "marked/other", "others/other", "file"] { try folder.write("x", to: path) }
            let found = try ["absent", "empty", "marked", "others", "file"].map(canReplace)
            #expect(found == [true, true, true, false, false])
        }
    }

    @Test func aPendingFileIsSeenOnceCommittedOrNever() async throws {
        try await TemporaryFolder.with { folder in
            let url = try folder.write("old", to: "file")
            do {
                let abandoned = try PendingFile(at: url)
                try abandoned.write(Data("never".utf8))
                #expect(try names(folder).count == 2)
            }
            #expect(try names(folder) == ["file"], "nothing stays of it")
            let file = try PendingFile(at: url)
            try file.write(Data("n".utf8))
            try file.write(Data("ew".utf8))
            try file.synchronize()
            #expect(throws: NumericsError.self) { try file.write(Data("!".utf8)) }
            #expect(try String(contentsOf: url, encoding: .utf8) == "old")
            try file.commit()
            #expect(try String(contentsOf: url, encoding: .utf8) == "new")
            #expect(try names(folder) == ["file"])
        }
    }

    @Test func errorsNameTheTarget() async throws {
        try await TemporaryFolder.with { folder in
            let url = folder.url.appendingPathComponent("missing/file")
            let error = #expect(throws: NumericsError.self) { try AtomicFile.write(Data("x".utf8), to: url) }
            #expect(error?.description.hasPrefix("\(url.path): ") == true, "\(String(describing: error))")
            // A folder of that name cannot be replaced by a file.
            let taken = folder.url.appendingPathComponent("taken")
            try folder.write("inside", to: "taken/inside")
            #expect(throws: NumericsError.self) { try AtomicFile.write(Data("x".utf8), to: taken) }
            #expect(try names(folder) == ["taken"])
        }
    }

    @Test func replacesAFolder() async throws {
        try await TemporaryFolder.with { folder in
            let url = folder.url.appendingPathComponent("artefact")
            for round in 1...2 {
                try AtomicFile.replaceDirectory(at: url) { temporary in
                    try AtomicFile.write(Data("\(round)".utf8), to: temporary.appendingPathComponent("only-\(round)"))
                    try FileManager.default.createDirectory(
                        at: temporary.appendingPathComponent("deep"), withIntermediateDirectories: true)
                    try AtomicFile.write(Data("x".utf8), to: temporary.appendingPathComponent("deep/file"))
                }
                let found = try FileManager.default.contentsOfDirectory(atPath: url.path).sorted()
                #expect(found == ["deep", "only-\(round)"], "what was there before is gone")
            }
            #expect(try names(folder) == ["artefact"])
        }
    }

    @Test func whenTheBodyThrowsTheOldFolderStays() async throws {
        try await TemporaryFolder.with { folder in
            let url = folder.url.appendingPathComponent("artefact")
            try folder.write("old", to: "artefact/file")
            #expect(throws: Failure.self) {
                try AtomicFile.replaceDirectory(at: url) { temporary in
                    try AtomicFile.write(Data("new".utf8), to: temporary.appendingPathComponent("file"))
                    throw Failure()
                }
            }
            #expect(try String(contentsOf: url.appendingPathComponent("file"), encoding: .utf8) == "old")
            #expect(try names(folder) == ["artefact"])
        }
    }

    /// A reader finds the old folder or the new one, but never none.
    @Test func aReplacedFolderIsThereAtEveryMoment() async throws {
        try await TemporaryFolder.with { folder in
            let url = folder.url.appendingPathComponent("artefact")
            try folder.write("0", to: "artefact/file")
            let isDone = Atomic(false)
            async let looks = Task.detached {
                var looks = 0
                while !isDone.load(ordering: .relaxed) {
                    looks += 1
                    if access(url.path, F_OK) != 0 { return -1 }
                }
                return looks
            }.value
            for round in 1...200 {
                try AtomicFile.replaceDirectory(at: url) { temporary in
                    try Data("\(round)".utf8).write(to: temporary.appendingPathComponent("file"))
                }
            }
            isDone.store(true, ordering: .relaxed)
            #expect(await looks >= 0, "there was a moment without a folder")
            #expect(try String(contentsOf: url.appendingPathComponent("file"), encoding: .utf8) == "200")
        }
    }

    /// If names cannot be swapped, the old folder is moved aside. It is restored after a kill at that moment.
    @Test func aFolderMovedAsideComesBack() async throws {
        try await TemporaryFolder.with { folder in
            let url = folder.url.appendingPathComponent("artefact")
            try folder.write("old", to: "artefact/file")
            let file = url.appendingPathComponent("file")
            let replaced = try PendingFolder(at: url)
            try Data("new".utf8).write(to: replaced.url.appendingPathComponent("file"))
            try replaced.commit { _, _ in ENOSYS }
            #expect(try String(contentsOf: file, encoding: .utf8) == "new")
            #expect(try names(folder) == ["artefact"])

            // The moment after the first of the two steps.
            try FileManager.default.moveItem(at: url, to: AtomicFile.asideName(of: url))
            AtomicFile.recoverDirectory(at: url)
            #expect(try String(contentsOf: file, encoding: .utf8) == "new")
            try FileManager.default.moveItem(at: url, to: AtomicFile.asideName(of: url))
            struct Interruption: Error {}
            #expect(throws: Interruption.self) {
                try AtomicFile.replaceDirectory(at: url) { _ in throw Interruption() }
            }
            #expect(try String(contentsOf: file, encoding: .utf8) == "new", "the next writer finds it again")

            // Any other failure changes nothing.
            let refused = try PendingFolder(at: url)
            #expect(throws: NumericsError.self) { try refused.commit { _, _ in EACCES } }
            #expect(try String(contentsOf: file, encoding: .utf8) == "new")
        }
    }

    @Test func filesOfADeadWriterAreRemoved() async throws {
        try await TemporaryFolder.with { folder in
            let url = folder.url.appendingPathComponent("artefact")
            let old = [FileAttributeKey.modificationDate: Date(timeIntervalSinceNow: -3_600)]
            try folder.write("half", to: ".artefact.0123ABCD.tmp/file")
            try folder.write("other", to: ".other.0123ABCD.tmp/file")
            for name in [".artefact.0123ABCD.tmp", ".other.0123ABCD.tmp"] {
                try FileManager.default.setAttributes(old, ofItemAtPath: folder.url.appendingPathComponent(name).path)
            }
            let living = try PendingFolder(at: url)
            try FileManager.default.setAttributes(old, ofItemAtPath: living.url.path)
            try AtomicFile.replaceDirectory(at: url) { _ in }
            #expect(
                try names(folder) == [living.url.lastPathComponent, ".other.0123ABCD.tmp", "artefact"].sorted(),
                "who still writes keeps its folder")
        }
    }
}
