"""Writes the goldens of the Snowball stemmers other than English: stems-LANGUAGE.tsv of Tests/MafinRetrievalTests.

    python Tools/write_stemmer_goldens.py

Needs PyStemmer. For each language: words of everyday texts, roots with every ending of the algorithm, and made-up words of the
language's letters with one or two of these endings. All of them are written here or made from fixed seeds.
"""

import pathlib
import random

import goldens
import Stemmer

GOLDENS = pathlib.Path(__file__).resolve().parents[1] / "Tests" / "MafinRetrievalTests" / "Goldens"

# Of each language: the name of its algorithm, its letters (vowels several times), words, roots, endings.
LANGUAGES = {
    "german": ("german", "aeiouyäöüaeiouqbdfghklmnrstzßscn", """
aber äckern ackers armes auf bedürfnissen verhältnisse verhältnis ergebnisse kenntnisse system systeme systemen systems ökosystem
häuser haus hauses häusern straße straßen strasse größe größer größten groß grösse müller mueller goethe poesie neue neuen neuer bauer
bauern bäuerin bäuerinnen lehrerin lehrerinnen lehrer lehrern freundin freundinnen quelle quellen quer bequem queue aktuelle treue treuer
feuer feuerwehr teuer mauer mauern sauer sauerkraut eier meyer bayern bayerisch bayrisch yoga donaudampfschifffahrtsgesellschaft
donaudampfschifffahrtsgesellschaften kühlwasserpumpe kühlwasserpumpen krankenversicherungskarte krankenversicherungskarten
rindfleischetikettierungsüberwachungsaufgabenübertragungsgesetz fußballweltmeisterschaft fussballweltmeisterschaften wechseln handeln
sammeln segelns wandern wanderns klettern hämmern wechsel geordnet internet intranet planet planeten ticket tickets tablet magnet
magneten eingeschaltet gearbeitet arbeitet arbeitest arbeiten rechnet rechnest redet redest wartet bist ist hast gehst machst tanzt
fährst läuft läufst einigung einigungen freiheit freiheiten möglichkeit möglichkeiten ewigkeit müdigkeit einsamkeit herrlichkeit
freundlich freundlicher freundlichste männlich königlich täglich ordentlich wissenschaft wissenschaftlich wissenschaftler italienisch
musikalisch politik politisch fabrik wichtig wichtige wichtigste richtig billig ewig steinig steig teig zeitung zeitungen abend abende
laufend laufende dringend dutzend tugend jugend gegend beleidigend beteiligung berechtigung lesung lesen gelesen vergessen wissen müssen
gewissen gewiss hindernis hindernisse wagnisses zeugnis xylophon es er en est ab öl öle übel überall ärger ähnlich ae oe ue aeoeue
""", """acht arbeit bau bericht bild brief buch dien ein farb fenster freund fried frucht geb gesund gold gut hand heil herz hoff kind klar krank
kunst land lieb mensch mund natur ordn recht ruh sach schön sicht sprach stadt stark tag teil tier verb wald wahr wand zeit ziel zukunft""",
               "em ern er e en es s ln lns erin erinnen est st et end ung ungen ig ik isch lich heit keit igkeit lichkeit lichen ische "
               "iger igend igung ichs nisse niss nis erlich enlich eig eik eisch systems systeme syst ung lichkeiten ste ten te"),
    "french": ("french", "aeiouyâàëéêèïîôûùaeiouqbcçdfghjlmnprstvxz", """
continu continua continuait continuant continuation continuel continuellement continuer continuité majestueusement majestueux majeur
main mains maintenant maison maisons maire parie paris par colis tapis tapisserie colère collage naïf naïve naïveté maïs haïr haï haïs
haïssent ambiguë aiguë canoë noël israël coïncidence ouïe héroïque égoïste aïeux païen païens yeux bijoux genoux choux cailloux hiboux
poux époux doux roux jaloux houx journaux chevaux chevaux beaux eaux nouveaux bureaux travail travaux animal animaux quelque quelques
qui quoi quand équipe équivalence logique logiques physique biologie biologies psychologie confusion confusions solution solutions
évolution utilisation utilisateurs utilisatrice fabrication fabricateur indicatif indicatifs action national nationalité capacité
probabilité publicité activité activités vivacité relativité sensibilité électricité active actif actives décoratif décorative
heureuse heureuses heureusement joyeux joyeuse courageusement vivement activement relativement admirablement considérablement
pratiquement entièrement premièrement dernière dernier premiers légère légèrement passionnément passion mission station pension
constamment évidemment récemment couramment confusément vraiment poliment absolument finissement avertissement établissements
finir finit finissons finirait finissaient mangeons mangeai mangeait mangeaient mangerons mangerions nageasse parlâmes parlât parlèrent
chantées chantés chanter cruelle cruelles ancienne anciennes bonne coquette pareille vieille jette appelle complète complet complètes
inquiète inquiet réglé règle règles après accès succès français française façade reçu balançait commençait royaux essuyer payer payait
paye aye oyez voyage voyelle crayon y yoga jouer loue suave fuite ruine aigu aiguille question quotidien aqueduc abbaye l'homme
l'eau d'abord qu'elle qu'il j'ai c'est n'est s'il t'es m'a aujourd'hui jusqu' l' lorsqu'il naissance niaise niais nier nieras
importance importante apparence apparences référence électronique artiste tourisme chimiste mangeable
française françaises anglaise anglaises fraise fraises chaise malaise falaise palais balais mauvais mauvaise mauvaises déplais niaise niaises
mangeaise portugaise fournaise seaise
""", """accept admir aim arriv bais blanc chang chant charm cherch clair commun compos condu cour cré dang décid donn écout élect étud fam fin
form franch grand hab haut hum imag juge jou libr lou march mont nag natur ouvr parl pass pens port pratiqu prépar quest rai rapid ren
sens simpl sort tourn vend viv voyag""",
               "ance iqUe ique isme able iste eux ances iques ismes ables istes atrice ateur ation atrices ateurs ations icatrice icateur "
               "ication logie logies usion ution usions utions ence ences ement ements ivement ativement eusement ablement iquement "
               "ièrement ité ités abilité icité ivité if ive ifs ives atif icatif eaux aux oux euse euses issement issements amment "
               "emment ment ments iment îmes ît îtes i ie ies ir ira irai iraient irais irait iras irent irez iriez irions irons iront "
               "is issaient issais issait issant issante issantes issants isse issent isses issez issiez issions issons it ions é ée "
               "ées és èrent er era erai eraient erais erait eras erez eriez erions erons eront ez iez âmes ât âtes a ai aient ais ait "
               "ant ante antes ants as asse assent asses assiez assions eât eant ion sion tion ier ière iers ières e es enn enne onne "
               "ette elle eille ète ès ïs aise aises ç y ons"),
    "spanish": ("spanish", "aeiouáéíóúüaeioubcdfgjlmnñpqrstvyz", """
cheque chequeo cheques chicago chica chicas chicharrones torre torres torreón tortuga trabajo trabajos trabajador trabajadoras
trabajando trabajaban decirle decírselo dándonos haciéndola haciéndolo comprarlas comprándoselas yéndose huyéndole construyendo
oyendo leyendo contribuyó contribuyeron huya huyamos averigüé averigüe averiguar pague paguemos llegue lleguéis sigue siguen conseguir
cuidado cuidadosamente rápidamente rapidez posiblemente elegantemente activamente creativamente económicamente felicidad
responsabilidad responsabilidades actividad actividades publicidad creativa creativos nativa importancia importancias importante
importantes elegancia presencia presencias ciencia conciencia biología biologías psicología ecología solución soluciones institución
revolución nación naciones acción acciones educación educaciones fabricación fabricador esperanza esperanzas danza realismo comunismos
amable terribles posible artista pianistas famoso famosas movimiento movimientos conocimiento crecimiento agradecimiento hablar hablaría
hablaríamos hablaremos habláis hablabais hablábamos hablaseis comeréis comieseis comiésemos vivirían viviéramos vivió vivís vivir salid
comed cantad cantaste comiste cantasteis lápiz lápices árbol árboles corazón corazones español española españoles niño niña niñas
señor señores agua aguas guerra pingüino vergüenza ahí oír reír él más aún allí café cafés sofá bebé rubí menú bambú tú y o a
aseis paseis amaseis acaseis evidencia logias apología vacaciones vacación acion
""", """abr acept ador agr alt am amig and bail beb busc cal cant car cas coc com compr conoc corr cort cre cuid deb dec dej desarroll dorm
empez encontr entr escrib espec est fabr form gan habl hac imag inform jug le llam llev mand mir nac not organ pag part pens pint prepar
public quer rec sab sal segu sent ten toc trabaj us vend ver viaj viv""",
                "anza anzas ico ica icos icas ismo ismos able ables ible ibles ista istas oso osa osos osas amiento amientos imiento "
                "imientos adora ador ación adoras adores aciones acion ante antes ancia ancias icación icador logía logías ución "
                "uciones encia encias amente ivamente ativamente osamente icamente adamente mente antemente ablemente iblemente idad "
                "idades abilidad icidad ividad iva ivo ivas ivos ativo ya ye yan yen yeron yendo yo yó yas yes yais yamos uyendo uyó "
                "en es éis emos gue guen arían arías arán arás aríais aría aréis aríamos aremos ará aré erían erá iría irán aba ada "
                "ida ía ara iera ad ed id ase iese aste iste an aban ían aran ieran asen iesen aron ieron ado ido ando iendo ió ar er "
                "ir as abas adas idas ías aras ieras ases ieses ís áis abais íais arais ierais aseis ieseis asteis isteis ados idos "
                "amos ábamos íamos imos áramos iéramos iésemos ásemos os a o á í ó e é iéndola ándome ársela érlos írnos arla erse "
                "irles iendolo andonos uyendola me se selas lo les nos"),
    "italian": ("italian", "aeiouàèìòùáéíóúaeioubcdfghlmnpqrstvz", """
abbandonata abbandonate abbandonati abbandonato abbandonava abbandonerà abbandoneranno pronto pronuncia pronunciamento propaga propose
proprietà propizio quando questo quello quattro acqua acque aiuola aiuole gioia gioie noia paio paiono baule cauto laurea fiume fiumi
fuoco uomo uomini uovo buono città cittadino cittadini virtù caffè perché perchè però può più così lunedì università attività
probabilità felicità creatività elettricità possibilità velocemente facilmente attivamente creativamente storicamente
generosamente amabilmente amente azione azioni nazione nazioni educazione creazione applicazione applicazioni fabbricatore
fabbricatori senatore attrice attrici lavoratrice soluzione soluzioni istituzione confusione illusioni biologia biologie psicologia
apologie presenza presenze conoscenza speranza speranze danza economico economici economiche storica storici amica amiche amico amici
lago laghi largo larghi bosco boschi dialoghi realismo comunismi amabile amabili possibile terribili artista artisti artiste socialistà
famoso famosa famosi movimento movimenti cambiamento cambiamenti sentimento attivo attivi nativa creative indicativo
dirlo dirglielo vederla vederci portarmeli andandosene facendolo dandomi leggendole mangiarne parlarvi averti alzarsi finirla
parlare parlava parleremmo parlerebbero parlasse parlassimo parlarono finire finisce finiscono finivamo finirono finiremo capisci
capiscano vendere vendette vendono venduto vendute veniamo prendiamo prendendo prenda prende dormono dormite dormito dormivano
divano divani diva divani divanetto poesia poesie paese paesi zio zii occhio occhi vecchio vecchia vecchie ciliegia ciliegie
""", """abit accett alz am amic and apr arriv ascolt ball bev cad camb cant cap cerc chied chius colp com compr conosc corr cred dec dorm entr
fabbr fin form gioc guard impar invent lasc legg libr lott mand mang mett mont nuot oper organ pag parl part pens port prend prepar quadr
rid scriv sent spost stud tagl telefon trov ved vend ven viagg viv vol""",
                "anza anze ico ici ica ice iche ichi ismo ismi abile abili ibile ibili ista iste isti istà istè istì oso osi osa ose "
                "mente atrice atrici ante anti azione azioni atore atori icazione icatore logia logie uzione uzioni usione usioni enza "
                "enze amento amenti imento imenti amente ivamente ativamente osamente icamente abilamente ità abilità icità ività ivo "
                "ivi iva ive ativo icativo ammo ando ano are arono asse assero assi assimo ata ate ati ato ava avamo avano avate avi "
                "avo emmo enda ende endi endo erà erai eranno ere erebbe erebbero erei eremmo eremo ereste eresti erete erò erono "
                "essero ete eva evamo evano evate evi evo iamo immo irà irai iranno ire irebbe irebbero irei iremmo iremo ireste "
                "iresti irete irò irono isca iscano isce isci isco iscono issero ita ite iti ito iva ivamo ivano ivate ono uta ute "
                "uti uto ar ir er ch gh che ghi ia ie io a e i o à è ì ò endolo andoglielo arci erla irne arsene endomi ermela "
                "irtele quo que"),
    "dutch": ("dutch_porter", "aeiouyèëïaeiouijbdfghklmnprstvwz", """
lichaam lichamelijk lichamelijke lichamelijkheden lichamen lichtere lichter lichtgeel opgroeien opgroeiende opheffen opheffende opgingen
opgevraagd mogelijkheid mogelijkheden waarheid waarheden eenheid eenheden overheid overheden gezondheid wijsheid maan manen man mannen
boom bomen vuur vuren zee zeeën weet weten brood broden bloot blote geel gele groot grote groter laat laten later steen stenen boek
boeken boekje boekjes huis huizen muis muizen duif duiven kat katten hond honden bed bedden rok rokken bakken zitten hadden straat straten
vriend vrienden vriendelijk vriendelijke vriendin eerlijk eerlijke dankbaar dankbare zichtbaar zichtbare betaalbare leesbaar onuitsprekelijkbaar
wandeling wandelingen regering regeringen vereniging verenigingen woning woningen rustig rustige heilig heiligen veilig veiligheid
gelukkig ingewikkeld geïnteresseerd coöperatie reünie drieën ideeën café één vóór blij blijheid bijen zijn mijn wij mooi mooie kraai kraaien
vloeien groei yoga baby babys royaal lopend lopende zingend dringend verwarmend uitstekend boeiend werkte werken gewerkt tafels auto's tafel
tafeltje water waterig museum gemeente gemeenten genomen gemene problemen gemengd algemene algemeen bloemen namen system systeem systemen
dochter dochters moeders ouders zus zussen kus kussen glas glazen hals halse wens wense dans danse lens lensen sjaals meisje meisjes vaasjes
ijs ijsje jas jassen oud oude ouders koud koude goud goudene blauw blauwe nieuw nieuwe sneeuw è scène scènes crèche
""", """acht arbeid beeld bel bloed boek brand breed dag deel denk dier druk eer fiets geest geld goed hand hart heer help hoop huis jaar kind
klas kleur koop kracht land leer lief maak mens mond natuur orden plaats praat prijs recht reken richt rijk schrijf sterk stad taal tijd
vind voed vraag vrij waar warm werk wijs zaak zeker zicht""",
              "heden en ene s se e heid eend end ing ig lijk baar bar elijk igheid igend iging eig eigend heden heidene lijke bare "
              "ingen enden te ten de den tte dde kke aat eet oot uut aad iaan enheid cheid gemen tje tjes je jes jse ster sters"),
    "portuguese": ("portuguese", "aeiouáéíóúâêôãõaeioubcçdfghjlmnpqrstvxz", """
boa boainain boas bôas boassu boataria boate boates boatos bob quilo quilombo quilométricas quilômetro quilômetros quimera quinhentos
ação ações nação nações educação educações fabricação solução soluções revolução constituição irmã irmãs irmão irmãos maçã maçãs
pão pães mão mãos limões leões cão cães põe põem manhã amanhã biologia biologias psicologia logias tecnologia presença presenças
ciência ciências consciência importância importâncias elegância rapidamente felizmente ativamente criativamente
economicamente cuidadosamente amavelmente possivelmente constantemente felicidade responsabilidade responsabilidades
atividade atividades publicidade criativa criativo nativas amável amáveis possível terríveis famoso famosas realismo
comunismos artista pianistas beleza belezas riqueza movimento movimentos pagamento conhecimento primeira primeiro cadeira cadeiras
madeira bandeiras feira tira tiras mira pira jogador jogadora jogadores importante importantes falar falaria falávamos falássemos
falaremos falareis falardes comer comíamos comêssemos comereis partir partíssemos partiríeis partiu comeu falou dando vendendo
partindo vendido falada partidas escrevi bebi comi dormi fiz feliz felizes pague seguem segue sigue guerra água águas averigue
começou começa praça praças cabeça força dança laço facilidade fácil fáceis difícil português portuguesa portugueses
inglês café cafés avó avô vovó está estás você vocês até é ê à às ônibus lápis azul azuis pai pais país países céu céus doce doci
"""
        , """abr aceit ador ajud am amig and apar aprend ass beb busc cai cant car cas cham cheg com compr conhec corr cort cri cuid dan dec deix
desenvolv dorm encontr entr escrev espec est fabric fal fech form ganh inform jog le lev luz mand mor mud nad not oper organ pag part pens
pint prepar public quer receb roub sab sent sorr toc trabalh us vend ver viaj viv""",
                   "eza ezas ico ica icos icas ismo ismos ável ível ista istas oso osa osos osas amento amentos imento imentos adora "
                   "ador ação adoras adores ações ante antes ância âncias logia logias logía ução uções ência ências amente ivamente "
                   "ativamente osamente icamente adamente mente antemente avelmente ivelmente ívelmente idade idades abilidade icidade ividade "
                   "iva ivo ivas ivos ativo ira iras eira eiras ada ida ia aria eria iria ará ara erá era irá ava asse esse isse aste "
                   "este iste ei arei erei irei am iam ariam eriam iriam aram eram iram avam em arem erem irem assem essem issem ado "
                   "ido ando endo indo arão erão irão ar er ir as adas idas ias arias erias irias arás aras erás eras irás avas es "
                   "ardes erdes irdes ares eres ires asses esses isses astes estes istes is ais eis íeis aríeis eríeis iríeis áreis "
                   "areis éreis ereis íreis ireis ásseis ésseis ísseis áveis ados idos ámos amos íamos aríamos eríamos iríamos áramos "
                   "éramos íramos ávamos emos aremos eremos iremos ássemos êssemos íssemos imos armos ermos irmos eu iu ou os a i o á "
                   "í ó e é ê ç ci gue cie ciar ção"),
    "russian": ("russian", "аеёиоуыэюяаеиоубвгджзйклмнпрстфхцчшщъьн", """
в вавиловка вагнера вагон вагона вагоне вагонов вагоном вагоны важная важнее важнейшие важнейшими важничал важно важной важность
важностью важную важны важный важным важных вазах вакса вам п па пава павел павильон павильонам падает падай падал падала падать паденье
ещё ёлка ёлки елка всё её зелёный зеленый тёплый весёлая дом дома домов домам домами домах книга книги книгой книгам книге читать читал
читала читали читает читаешь читают читаю читай читайте читающий читавший читавшая прочитав прочитавши прочитавшись сделав сделавшись
умыв умывшись купивши купив построив построена построены построен построено построить говорит говорят говорить говорил учиться учился
учились учусь умывается улыбается улыбающийся бегущий бегущая любимый любимая новый новая новое новые нового новому новым новейший
новейшая сильнейше сильнейший синий синяя синее синего красивый красивее красота гордость гордости скорость скоростью возможность
возможностями длинный длинная длина деревянный стеклянный мысленно временно безопасность общественный общественность ночь ночью день
дней люди людьми время времени имя имени окно окон поле поля полей море морей музей музеи музеев герой героя героев армия армии
семья семьи семьей статья статей россия российский русский русская москва московский я мы ты он она ст ость ь й ы объект съезд подъезд
"""
        , """бел больш вед вид вод врем глав говор город готов дел дерев держ добр дорог друг дум жизн зем знач игр инстр кни корот крас крепк лес
мал машин мест мир молод мор напис народ начал нов обуч образ пис плав пол помн прав при работ разн реш род свет сил слов служ смотр
сто стран строй суд тепл труд учен ход холод цел част чит школ""",
                "в вши вшись ив ивши ившись ыв ывши ывшись ав авши авшись яв явши ее ие ые ое ими ыми ей ий ый ой ем им ым ом его ого "
                "ему ому их ых ую юю ая яя ою ею аемый анный явший ающий ащий ивший ывший ующий ся сь ался яться ла на ете йте ли й л н "
                "ло но ет ют ны ть ешь нно ала яла ана ает яет ают али ать аешь анно ила ыла ена ейте уйте ите или ыли уй ил ыл ен "
                "ило ыло ено ят ует уют ит ыт ены ить ыть ишь ю а ев ов ье е иями ями ами еи ии и ией иям ям ием ам о у ах иях ях ы "
                "ь ию ью ия ья я ость ости остью ост ейш ейше ейший нейший нн нный нность ённый ёй ьё"),
}


def words_of(language, letters, words, roots, endings):
    """All words of a language, each once."""
    generator = random.Random("stems of " + language)
    roots, endings = roots.split(), endings.split()
    found = dict.fromkeys(words.split())
    for ending in endings:
        for root in generator.sample(roots, 4):
            found[root + ending] = None
    for _ in range(700):
        stem = "".join(generator.choice(letters) for _ in range(generator.randint(1, 8)))
        second = generator.choice(endings) if generator.random() < 0.4 else ""
        found[stem + generator.choice(endings) + second] = None
    return [word.lower() for word in found]


if __name__ == "__main__":
    versions = goldens.check("PyStemmer")
    for language, (algorithm, *parts) in LANGUAGES.items():
        stemmer = Stemmer.Stemmer(algorithm)
        words = dict.fromkeys(words_of(language, *parts))
        text = "".join(f"{word}\t{stemmer.stemWord(word)}\n" for word in words)
        (GOLDENS / f"stems-{language}.tsv").write_text(text, encoding="utf-8")
        print(f"stems-{language}.tsv: {len(words):,} words, {len(text.encode()):,} bytes")
    goldens.record(GOLDENS, __file__, versions, *(f"stems-{language}.tsv" for language in LANGUAGES))
