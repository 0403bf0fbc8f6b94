import Foundation
import MafinNumerics

/// The page's style sheet, for light and dark mode, wide and narrow screens, and paper.
enum PageStyle {
    /// The content of the page's `style` element.
    static let source: String =
        [PlotTheme.properties, tints, sourceRules, base, PlotTheme.plotRules, contents, media]
        .joined(separator: "\n")

    /// The strongest tint of a word, as the colour's share over the page's ground. The word's text keeps a contrast of 4.5.
    static let strongestTint = 0.42

    /// A class for each strength of a word's tint, in per cent of its colour.
    private static let tints = (0...Int(strongestTint * 100)).map { ".t\($0){--t:\($0)}" }.joined(separator: "\n")

    /// Classes with the colours of sources that have none of their own. The first two colours of the palette are those of gain and loss.
    static let sourceColors = (2..<PlotTheme.seriesCount).map { "c-series-\($0)" }

    private static let sourceRules = (2..<PlotTheme.seriesCount).map { ".c-series-\($0){--c:var(--series-\($0))}" }
        .joined(separator: "\n")

    /// The page may use only its own style sheet and script, which the policy names by hash. Nothing in a collection's texts can run or load.
    static let policy =
        "default-src 'none'; style-src \(hash(of: source)); script-src \(hash(of: script)); img-src data:; base-uri 'none'; "
        + "form-action 'none'"

    /// A source expression of a content security policy (CSP 3, 2.3.1).
    private static func hash(of text: String) -> String {
        "'sha256-\(Data(ContentHash.sha256(Data(text.utf8))).base64EncodedString())'"
    }

    private static let base = """
        *{box-sizing:border-box}
        html{-webkit-text-size-adjust:100%;text-size-adjust:100%}
        body{margin:0;background:var(--page);color:var(--ink);font:16px/1.55 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif;font-variant-numeric:tabular-nums;overflow-wrap:break-word}
        [dir=auto]{overflow-wrap:anywhere}
        .column{max-width:1096px;margin-left:auto;margin-right:auto;padding-left:24px;padding-right:24px}
        h1,h2,h3{font-weight:650;line-height:1.2;letter-spacing:-.012em;text-wrap:balance;margin:0}
        h1{font-size:clamp(2.125rem,1.35rem + 3.4vw,3.375rem);line-height:1.06;letter-spacing:-.028em;margin:10px 0 0;max-width:20ch}
        h2{font-size:1.5rem}
        h3{font-size:1.0625rem;margin:40px 0 0}
        .small-heading{font-size:1rem;letter-spacing:0;margin-top:20px}
        p{margin:12px 0 0;max-width:68ch}
        a{color:var(--accent);text-decoration-thickness:1px;text-underline-offset:3px}
        a:focus-visible,button:focus-visible,summary:focus-visible,[tabindex]:focus-visible{outline:2px solid var(--accent);outline-offset:3px;border-radius:2px}
        section{margin-top:72px}
        .muted,.lead,.note{color:var(--muted)}
        .note{font-size:.875rem}
        .lead{margin-top:8px}
        header{padding-top:64px}
        .overline{margin:0;color:var(--muted);max-width:none}
        .notes{max-width:72ch;margin-top:14px;padding-left:1.2em;color:var(--muted)}
        .notes li{margin-top:4px}
        .reason{font-size:1.25rem;line-height:1.45;max-width:58ch;margin-top:20px}
        .answer{display:inline-block;width:.62em;height:.62em;margin-right:.32em;vertical-align:.02em}
        .ship .answer{background:var(--accent);border-radius:50%}
        .do-not-ship .answer{background:var(--loss)}
        .cannot-tell .answer{border:.13em solid var(--muted);border-radius:50%}
        dl,dd{margin:0}
        .figures{display:grid;grid-template-columns:repeat(auto-fit,minmax(168px,1fr));gap:24px 32px;margin-top:40px;padding-top:20px;border-top:1px solid var(--hairline)}
        .figures dt{color:var(--muted);font-size:.875rem}
        .figures dd{font-size:1.625rem;font-weight:600;letter-spacing:-.02em;line-height:1.25;margin-top:2px}
        .figures dd.note{font-size:.875rem;font-weight:400;letter-spacing:0;line-height:1.4}
        .split{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,420px),1fr));gap:0 56px}
        nav{margin-top:48px;border-top:1px solid var(--hairline);border-bottom:1px solid var(--hairline);padding:12px 0;font-size:.9375rem}
        nav ul{display:flex;flex-wrap:wrap;gap:4px 24px;list-style:none;margin:0;padding:0}
        nav a{color:var(--ink);text-decoration:none}
        nav a:hover{text-decoration:underline}
        pre{margin:16px 0 0;padding:14px 16px;background:var(--panel);border-radius:6px;overflow-x:auto;white-space:pre-wrap;overflow-wrap:anywhere}
        pre,code{font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,"Liberation Mono",monospace;font-size:.84375rem;line-height:1.55}
        figure{margin:28px 0 0}
        figcaption{font-weight:600;max-width:68ch;text-wrap:balance}
        figcaption .note{font-weight:400;display:block;margin-top:2px}
        figure .drawing{margin-top:16px}
        .drawing svg{max-width:100%;height:auto}
        .drawing .narrow{display:none}
        .key{display:inline-block;width:.72em;height:.72em;margin:0 .35em 0 0;vertical-align:-.02em;background:var(--c)}
        .keys{display:flex;flex-wrap:wrap;gap:4px 20px;margin:12px 0 0;padding:0;list-style:none;font-size:.875rem;color:var(--muted)}
        .c-accent{--c:var(--accent)} .c-loss{--c:var(--loss)} .c-black-box{--c:var(--black-box)}
        .up{color:var(--accent)} .down{color:var(--loss)}
        footer{margin-top:96px;margin-bottom:64px;color:var(--muted);font-size:.875rem}
        .skip{position:absolute;left:-9999px}
        .skip:focus{left:24px;top:12px;background:var(--page);padding:4px 8px}
        .space{visibility:hidden}
        .hidden{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%);white-space:nowrap}
        """

    /// Tables and examples.
    private static let contents = """
        .scroll{overflow-x:auto;margin:24px -12px 0;padding:0 12px;position:relative}
        table{border-collapse:collapse;width:100%;font-size:.90625rem;line-height:1.4}
        caption{text-align:left;font-weight:600;padding:0 0 10px;font-size:1rem}
        caption .cap{position:sticky;left:0;display:inline-block;max-width:min(100%,100vw - 32px)}
        caption .note{font-weight:400;display:block;margin-top:2px;max-width:76ch}
        table.compact{width:auto}
        table.compact th,table.compact td{padding-right:40px}
        table.compact th:last-child,table.compact td:last-child{padding-right:0}
        th,td{text-align:left;vertical-align:top;padding:9px 20px 9px 0;font-weight:400}
        th:last-child,td:last-child{padding-right:0}
        thead th{color:var(--muted);font-size:.8125rem;font-weight:600;vertical-align:bottom;border-bottom:1px solid var(--muted);padding-top:0}
        tbody th,tbody td{border-bottom:1px solid var(--hairline)}
        th.n,td.n{text-align:right;white-space:nowrap}
        td small,th small{display:block;color:var(--muted);font-size:.8125rem;overflow-wrap:normal}
        tbody th{min-width:13ch}
        .chosen th,.chosen td{background:var(--panel)}
        .chosen th:first-child{box-shadow:-12px 0 0 var(--panel)}
        .chosen td:last-child{box-shadow:12px 0 0 var(--panel)}
        .chosen .name,.best{font-weight:650}
        thead button{all:unset;cursor:pointer;font:inherit;color:inherit}
        thead button::after{content:"";display:inline-block;width:.9em;text-align:right}
        thead [aria-sort=ascending] button::after{content:"↑"}
        thead [aria-sort=descending] button::after{content:"↓"}
        thead button:hover{color:var(--ink)}
        .facts th{color:var(--muted);white-space:normal;width:22ch}
        .examples{margin-top:16px;border-top:1px solid var(--hairline)}
        details.example{border-bottom:1px solid var(--hairline)}
        summary{cursor:pointer;list-style:none}
        summary::-webkit-details-marker{display:none}
        .example>summary{display:grid;grid-template-columns:5.2rem minmax(0,1fr) auto 1rem;gap:16px;align-items:baseline;padding:13px 0}
        .example>summary::after,.more>summary::after{content:"+";color:var(--muted);justify-self:end}
        .example[open]>summary::after,.more[open]>summary::after{content:"–"}
        .example>summary:hover .query{text-decoration:underline;text-decoration-thickness:1px;text-underline-offset:3px}
        .change{font-weight:650;font-size:1.0625rem}
        .query{font-weight:550}
        .values{color:var(--muted);font-size:.875rem;white-space:nowrap}
        .inside{padding:4px 0 28px}
        .rankings{display:grid;grid-template-columns:minmax(0,1fr) 64px minmax(0,1fr);margin-top:12px}
        .rankings h4{margin:0 0 6px;font-size:.8125rem;font-weight:600;color:var(--muted)}
        .rankings ol{list-style:none;margin:0;padding:0}
        .rankings li{height:54px;display:grid;grid-template-columns:1.25rem minmax(0,1fr) auto;grid-template-rows:1fr 1fr;column-gap:10px;align-items:center;border-top:1px solid var(--grid);font-size:.875rem;line-height:1.3;padding:3px 0}
        .thumb{width:46px;height:46px;object-fit:contain;vertical-align:middle}
        .rankings .pictured li{grid-template-columns:1.25rem 46px minmax(0,1fr) auto}
        .rankings .pictured .thumb{grid-column:2;grid-row:1/3}
        .rankings .pictured .doc,.rankings .pictured .bar{grid-column:3}
        .rankings .pictured .grade,.rankings .pictured .score{grid-column:4}
        .rankings .rank{color:var(--muted);grid-row:1}
        .rankings .doc{grid-column:2;white-space:nowrap;overflow:hidden;text-overflow:ellipsis;color:var(--muted);text-decoration:none}
        .rankings .relevant .doc{color:var(--ink);font-weight:600}
        .rankings .doc:hover{text-decoration:underline}
        .rankings .grade{grid-column:3;grid-row:1;text-align:right;font-size:.75rem;color:var(--muted);white-space:nowrap}
        .rankings .relevant .grade{color:var(--ink)}
        .rankings .bar{grid-column:2;grid-row:2;display:block;width:100%;height:8px}
        .rankings .bar rect{fill:var(--c)}
        .rankings .score{grid-column:3;grid-row:2;text-align:right;font-size:.75rem;color:var(--muted);white-space:nowrap}
        .slopes{align-self:end}
        .slopes svg{display:block;width:100%;overflow:visible}
        .slopes line{stroke:var(--hairline);stroke-width:1.25;vector-effect:non-scaling-stroke}
        .slopes .relevant{stroke:var(--accent);stroke-width:2}
        .slopes .fallen{stroke:var(--loss)}
        .words{line-height:1.9;margin-top:8px;max-width:80ch}
        .words span{background:color-mix(in srgb,var(--c) calc(var(--t)*1%),var(--page));padding:2px 1px;border-radius:2px}
        .words .less{border-bottom:2px dotted var(--loss)}
        .more>summary{color:var(--muted);font-size:.875rem;margin-top:20px;display:flex;gap:8px}
        .texts{margin-top:8px;font-size:.90625rem}
        .texts dt{margin-top:16px;font-weight:600}
        .texts dt .note{font-weight:400}
        .words-title{margin-top:24px}
        .texts dt:target,.texts dt:target+dd{background:var(--panel);box-shadow:-10px 0 0 var(--panel),10px 0 0 var(--panel)}
        .texts dd{max-width:76ch;white-space:pre-line}
        .rest>summary{color:var(--accent)}
        .rest[open]>summary{display:none}
        .rest,.rest>summary{display:inline}
        """

    /// Narrow screens, and paper.
    private static let media = """
        @media (max-width:719px){
        .column{padding-left:16px;padding-right:16px}
        header{padding-top:32px}
        section{margin-top:56px}
        .reason{font-size:1.125rem}
        .figures{grid-template-columns:repeat(auto-fit,minmax(136px,1fr));gap:20px 24px;margin-top:28px}
        .figures dd{font-size:1.375rem}
        .drawing .wide{display:none}
        .drawing .narrow{display:block}
        .scroll{margin-left:-16px;margin-right:-16px;padding:0}
        .scroll th:first-child{padding-left:16px}
        .scroll th:last-child,.scroll td:last-child{padding-right:16px}
        caption .cap{left:16px;margin-left:16px}
        .pinned th:first-child{position:sticky;left:0;background:var(--page);padding-right:12px;z-index:1}
        .pinned .chosen th:first-child{background:var(--panel)}
        .pinned tbody th small{display:none}
        .example>summary{grid-template-columns:minmax(0,1fr) auto;gap:2px 12px}
        .example>summary .change{grid-row:1;grid-column:1}
        .example>summary .values{grid-row:1;grid-column:1;justify-self:end}
        .example>summary .query{grid-row:2;grid-column:1}
        .example>summary::after{grid-row:1;grid-column:2}
        .rankings{grid-template-columns:minmax(0,1fr)}
        .rankings>div+div+div{margin-top:20px}
        .slopes{display:none}
        }
        @media print{
        body{font-size:10.5pt}
        .column{max-width:none;padding:0}
        header{padding-top:0}
        section{margin-top:28pt}
        nav,.skip,.more,.example>summary::after{display:none}
        .scroll{overflow:visible}
        pre{border:1px solid var(--hairline)}
        figure,tr,.rankings,.example>summary{break-inside:avoid}
        h2,h3,caption,figcaption{break-after:avoid}
        a{color:inherit;text-decoration:none}
        .key,.words span,.answer{print-color-adjust:exact;-webkit-print-color-adjust:exact}
        }
        """

    /// Sorts tables, and opens all examples for printing. Without it the page still shows everything.
    static let script = """
        document.querySelectorAll("table.sortable").forEach(function(table){
        var body=table.tBodies[0],heads=Array.from(table.tHead.rows[0].cells),original=Array.from(body.rows);
        heads.forEach(function(head,column){
        var button=document.createElement("button");button.type="button";button.append(...head.childNodes);head.append(button);
        button.addEventListener("click",function(){
        var was=head.getAttribute("aria-sort"),order=was==="descending"?"ascending":was==="ascending"?null:"descending";
        heads.forEach(function(other){other.removeAttribute("aria-sort")});
        if(order===null){original.forEach(function(row){body.append(row)});return}
        head.setAttribute("aria-sort",order);
        var sign=order==="ascending"?1:-1;
        var key=function(row){var cell=row.cells[column],value=cell.getAttribute("data-value");return value===null?cell.textContent.trim():value===""?NaN:Number(value)};
        original.slice().sort(function(a,b){
        var x=key(a),y=key(b);
        if(typeof x==="string")return sign*x.localeCompare(y);
        if(isNaN(x)||isNaN(y))return isNaN(x)-isNaN(y);
        return sign*(x-y)}).forEach(function(row){body.append(row)});
        })})});
        addEventListener("beforeprint",function(){document.querySelectorAll("details.example").forEach(function(item){item.open=true})});
        """
}
