import Foundation

#if canImport(FoundationXML)
    import FoundationXML
#endif

/// A page as a tree, read by an XML parser: a page that is not well-formed is an error.
final class PageTree: NSObject, XMLParserDelegate {
    /// An element with its children and the text between them.
    final class Node {
        let name: String
        let attributes: [String: String]
        var children: [Node] = []
        /// All text inside, including that of children.
        var text = ""
        let parent: Node?

        init(_ name: String, _ attributes: [String: String], parent: Node?) {
            self.name = name
            self.attributes = attributes
            self.parent = parent
        }

        /// All descendants with the given name, in the order of the page.
        func all(_ name: String) -> [Node] { descendants.filter { $0.name == name } }

        var descendants: [Node] { children.flatMap { [$0] + $0.descendants } }

        var classes: Set<String> { Set((attributes["class"] ?? "").split(separator: " ").map(String.init)) }
    }

    struct Malformed: Error { let reason: String }

    let root: Node
    private var open: [Node]

    init(_ text: String) throws {
        root = Node("", [:], parent: nil)
        open = [root]
        super.init()
        let parser = XMLParser(data: Data(text.utf8))
        parser.delegate = self
        guard parser.parse() else {
            throw Malformed(
                reason:
                    "line \(parser.lineNumber), column \(parser.columnNumber): \(String(describing: parser.parserError))"
            )
        }
    }

    func parser(
        _ parser: XMLParser, didStartElement name: String, namespaceURI: String?, qualifiedName: String?,
        attributes: [String: String] = [:]
    ) {
        let node = Node(name, attributes, parent: open.last)
        open.last?.children.append(node)
        open.append(node)
    }

    func parser(_ parser: XMLParser, didEndElement name: String, namespaceURI: String?, qualifiedName: String?) {
        open.removeLast()
    }

    func parser(_ parser: XMLParser, foundCharacters text: String) {
        for node in open { node.text += text }
    }
}
